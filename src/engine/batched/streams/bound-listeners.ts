import { rmSync } from 'node:fs';
import { isWildcard } from '../../../net/address.ts';
import type { Endpoint } from '../../../net/endpoint.ts';
import type { SocketId } from '../../../net/ids.ts';
import type { StandingDecision } from '../../../net/standing.ts';
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
import { Answers } from './answers.ts';
import type { WorkerLink } from './link.ts';
import { LISTEN_ANY, LISTEN_PLAIN, LISTEN_UNIX } from './messages.ts';
import { keepAliveSeconds, type Stands } from './orders.ts';
import { Seats } from './seats.ts';

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
  /** Its place in Seats. */
  readonly seat: number;
  standing: Stands;
}

/** Listening sockets, which all workers share: each connection goes to the first that takes it. */
export class BoundListeners {
  readonly seats: SharedArrayBuffer;
  readonly #seats: Seats;
  readonly #open = new Map<SocketId, BoundListener>();
  /** Which accept no more, though workers may still have them, and clients of whom nobody was told. */
  readonly #leaving = new Map<SocketId, BoundListener>();
  readonly #answers = new Answers();
  readonly #taken = new Set<number>();
  #lastSeat = 0;

  constructor(workers: number) {
    this.seats = new SharedArrayBuffer(Seats.bytes(LISTENERS_MOST, workers));
    this.#seats = new Seats(this.seats, workers);
  }

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
      const seat = this.#freeSeat();
      const listener = {
        id,
        fd,
        local,
        kind: kindOf(spec),
        maxStreams: spec.maxStreams,
        path,
        inherited,
        seat,
        standing: { decision: undefined, service: 0, version: this.#seats.nextVersion(seat) },
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

  /** Open, or with clients that it had. */
  known(id: SocketId): BoundListener | undefined {
    return this.#open.get(id) ?? this.#leaving.get(id);
  }

  /** From here on no worker decides by what stood before, though it hears of this later. */
  stand(listener: BoundListener, decision: StandingDecision | undefined, service: number): Stands {
    listener.standing = { decision, service, version: this.#seats.nextVersion(listener.seat) };
    return listener.standing;
  }

  all(): IterableIterator<BoundListener> {
    return this.#open.values();
  }

  /** Takes nobody from now on; its streams end with it, or go on. `done` is called when all that it had are known of. */
  close(listener: BoundListener, links: readonly WorkerLink[], cut: boolean, done: () => void): void {
    const { id } = listener;
    this.#open.delete(id);
    // What others have too must go on listening for them.
    if (!listener.inherited) stopAccepting(listener.fd);
    if (listener.path !== undefined) rmSync(listener.path, { force: true });
    if (!cut) this.#leaving.set(id, listener);
    for (const link of links) link.unlisten(id, cut);
    this.#answers.ask(id, links, () => {
      this.#leaving.delete(id);
      this.#taken.delete(listener.seat);
      listener.fd.close();
      done();
    });
  }

  /** A worker has let go of one, and told of all whom it took there. */
  left(id: SocketId, link: WorkerLink): void {
    this.#answers.answered(id, link);
  }

  /** With what it had. */
  workerGone(link: WorkerLink): void {
    this.#seats.forget(link.place);
    this.#answers.gone(link);
  }

  /** When no worker is there any more. */
  closeAll(): void {
    for (const { fd, path } of this.#open.values()) {
      fd.close();
      if (path !== undefined) rmSync(path, { force: true });
    }
    this.#open.clear();
    this.#answers.end();
  }

  /** One that nobody sits in: streams outlive a listener that stops. */
  #freeSeat(): number {
    for (let tried = 0; tried < LISTENERS_MOST; tried++) {
      this.#lastSeat = (this.#lastSeat + 1) % LISTENERS_MOST;
      if (!this.#taken.has(this.#lastSeat) && this.#seats.taken(this.#lastSeat) === 0) return this.#lastSeat;
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
