import type { StreamId } from '../../../net/ids.ts';
import { Fd } from '../../../sys/fd.ts';
import { EngineMisuse } from '../../engine.ts';
import { type HeldStream, type Join, joinNobody, joinNow } from './held-stream.ts';

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

  /** A worker let go of `mover`, by the number of its descriptor; undefined: it was closed meanwhile. */
  released(mover: HeldStream | undefined, number: number): void {
    const order = mover && this.#moving.get(mover.id);
    if (mover === undefined || order === undefined) {
      new Fd(number, 'stream').close();
      return;
    }
    this.#moving.delete(mover.id);
    mover.link = order.a === mover ? order.b.link : order.a.link;
    mover.link.adopt(mover.handle, number);
    joinNow(order);
  }

  /** It is gone: who waited for it has nobody. */
  forget(stream: HeldStream): void {
    const order = this.#moving.get(stream.id);
    this.#moving.delete(stream.id);
    if (order !== undefined) joinNobody(order.a === stream ? order.b : order.a);
  }
}
