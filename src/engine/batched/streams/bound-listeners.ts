import { rmSync } from 'node:fs';
import { isWildcard } from '../../../net/address.ts';
import type { Endpoint } from '../../../net/endpoint.ts';
import type { SocketId } from '../../../net/ids.ts';
import { UNIX_ENDPOINT } from '../../../net/stream-target.ts';
import type { Fd } from '../../../sys/fd.ts';
import {
  adoptStream,
  listenAgain,
  listenTcp,
  listenUnix,
  openStream,
  stopAccepting,
} from '../../../sys/stream-socket.ts';
import type { ListenSpec } from '../../engine.ts';
import { keepAliveSeconds, type Stands, type WorkerLink } from './link.ts';
import { LISTEN_ANY, LISTEN_PLAIN, LISTEN_UNIX } from './messages.ts';

/** What is accepted by workers: held TCP streams and unix ones. */
export type HeldListenSpec =
  | (Extract<ListenSpec, { transport: 'tcp' }> & { readonly held: true })
  | Extract<ListenSpec, { transport: 'unix' }>;

export interface BoundListener {
  readonly id: SocketId;
  readonly fd: Fd;
  readonly local: Endpoint;
  readonly kind: number;
  readonly maxStreams: number;
  /** Of a socket file that is ours to remove. */
  readonly path: string | undefined;
  /** Others may have it too. */
  readonly inherited: boolean;
  /** Where the workers count its streams. */
  readonly seat: number;
  standing: Stands | undefined;
}

/** Listening sockets, which all workers share: each connection goes to the first that takes it. */
export class BoundListeners {
  /** Two Int32 for each listener: its streams, and the turns of its standing decision. */
  readonly seats = new SharedArrayBuffer(LISTENERS_MOST * SEAT_WORDS * 4);
  readonly #seats = new Int32Array(this.seats);
  readonly #open = new Map<SocketId, BoundListener>();
  /** Closed, though workers may still have them; with how many that are. */
  readonly #leaving = new Map<SocketId, { readonly listener: BoundListener; left: number }>();
  readonly #taken = new Set<number>();
  #lastSeat = 0;

  /** Throws SystemError. */
  bind(id: SocketId, spec: HeldListenSpec): BoundListener {
    const inherited = spec.inherited !== undefined;
    const fd =
      spec.inherited === undefined
        ? openStream(spec.transport === 'unix' ? 'unix' : spec.local.family)
        : adoptStream(spec.inherited);
    try {
      const local = listenAt(fd, spec);
      const path = spec.transport === 'unix' && !inherited ? spec.path : undefined;
      const listener = {
        id,
        fd,
        local,
        kind: kindOf(spec),
        maxStreams: spec.maxStreams,
        path,
        inherited,
        seat: this.#freeSeat(),
        standing: undefined,
      };
      this.#open.set(id, listener);
      this.#taken.add(listener.seat);
      return listener;
    } catch (error) {
      fd.close();
      throw error;
    }
  }

  has(id: SocketId): boolean {
    return this.#open.has(id);
  }

  get(id: SocketId): BoundListener | undefined {
    return this.#open.get(id);
  }

  all(): IterableIterator<BoundListener> {
    return this.#open.values();
  }

  /** A decision begins with its first target, whatever the one before came to. */
  beginTurns({ seat }: BoundListener): void {
    Atomics.store(this.#seats, seat + 1, 0);
  }

  /** Takes nobody from now on; its streams end with it, or go on. */
  close(listener: BoundListener, links: readonly WorkerLink[], cut: boolean): void {
    this.#open.delete(listener.id);
    // What others have too must go on listening for them.
    if (!listener.inherited) stopAccepting(listener.fd);
    if (listener.path !== undefined) rmSync(listener.path, { force: true });
    this.#leaving.set(listener.id, { listener, left: Math.max(1, links.length) });
    for (const link of links) link.unlisten(listener.id, cut);
    if (links.length === 0) this.left(listener.id);
  }

  /** A worker has let go of one. */
  left(id: SocketId): void {
    const leaving = this.#leaving.get(id);
    if (leaving === undefined) return;
    leaving.left -= 1;
    if (leaving.left > 0) return;
    this.#leaving.delete(id);
    this.#taken.delete(leaving.listener.seat);
    leaving.listener.fd.close();
  }

  /** A worker is gone, with what it had. `streams`: how many there are left of each. */
  workerGone(streams: ReadonlyMap<SocketId, number>): void {
    for (const { id, seat } of this.#open.values()) Atomics.store(this.#seats, seat, streams.get(id) ?? 0);
    for (const id of [...this.#leaving.keys()]) this.left(id);
  }

  /** When no worker is there any more. */
  closeAll(): void {
    for (const { fd, path } of this.#open.values()) {
      fd.close();
      if (path !== undefined) rmSync(path, { force: true });
    }
    for (const { listener } of this.#leaving.values()) listener.fd.close();
    this.#open.clear();
    this.#leaving.clear();
  }

  /** One that nobody sits in: streams outlive a listener that stops. */
  #freeSeat(): number {
    for (let tried = 0; tried < LISTENERS_MOST; tried++) {
      this.#lastSeat = (this.#lastSeat + SEAT_WORDS) % (LISTENERS_MOST * SEAT_WORDS);
      if (!this.#taken.has(this.#lastSeat) && Atomics.load(this.#seats, this.#lastSeat) === 0) return this.#lastSeat;
    }
    throw new RangeError(`more than ${LISTENERS_MOST} listeners`);
  }
}

function listenAt(fd: Fd, spec: HeldListenSpec): Endpoint {
  if (spec.inherited !== undefined) {
    listenAgain(
      fd,
      BACKLOG,
      spec.transport === 'tcp',
      spec.transport === 'tcp' ? keepAliveSeconds(spec.keepAlive) : undefined,
    );
    return spec.transport === 'tcp' ? spec.local : UNIX_ENDPOINT;
  }
  if (spec.transport === 'tcp') return listenTcp(fd, spec.local, BACKLOG, keepAliveSeconds(spec.keepAlive));
  listenUnix(fd, spec.path, BACKLOG);
  return UNIX_ENDPOINT;
}

function kindOf(spec: HeldListenSpec): number {
  if (spec.transport === 'unix') return LISTEN_UNIX;
  return isWildcard(spec.local.address) ? LISTEN_ANY : LISTEN_PLAIN;
}

const BACKLOG = 4096;
const LISTENERS_MOST = 65536;
const SEAT_WORDS = 2;
