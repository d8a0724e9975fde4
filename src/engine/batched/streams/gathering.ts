import type { StreamId } from '../../../net/ids.ts';
import { Fd } from '../../../sys/fd.ts';
import { resetWhenClosed } from '../../../sys/stream-socket.ts';
import { EngineMisuse } from '../../engine.ts';
import { type HeldStream, type Join, joinNobody, joinNow } from './held-stream.ts';
import type { WorkerLink } from './link.ts';

/** Joins of streams that two workers have: one end moves to the other's. */
export class Gathering {
  /** By the end that moves. */
  readonly #moving = new Map<StreamId, Join>();

  /** One worker has both ends of a pair. What was accepted stays with the worker that counts it. */
  bringTogether(order: Join): void {
    const mover = order.b.at === undefined ? order.b : order.a;
    if (mover.at !== undefined) throw new EngineMisuse('streams of two listeners cannot be joined');
    this.#moving.set(mover.id, order);
    mover.link.release(mover.handle);
  }

  /**
   * `link` let go of `mover`, by the number of its descriptor; undefined: it was closed meanwhile. False when there is nobody left to bring it
   * to: it is cut.
   */
  released(link: WorkerLink, mover: HeldStream | undefined, number: number): boolean {
    link.take(number);
    const order = mover && this.#moving.get(mover.id);
    if (mover === undefined || order === undefined) {
      const fd = new Fd(number, 'stream');
      resetWhenClosed(fd);
      fd.close();
      return false;
    }
    this.#moving.delete(mover.id);
    mover.link = order.a === mover ? order.b.link : order.a.link;
    mover.link.adopt(mover.handle, number);
    joinNow(order);
    return true;
  }

  /** It is gone: who waited for it has nobody. */
  forget(stream: HeldStream): void {
    const order = this.#moving.get(stream.id);
    this.#moving.delete(stream.id);
    if (order !== undefined) joinNobody(order.a === stream ? order.b : order.a);
  }

  /** A worker is gone: those that were on their way to it arrive nowhere. */
  gone(link: WorkerLink): void {
    for (const [id, { a, b }] of this.#moving) {
      const stays = a.id === id ? b : a;
      if (stays.link === link) this.#moving.delete(id);
    }
  }
}
