import { isWildcard } from '../../net/address.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import type { SocketId } from '../../net/ids.ts';
import type { OpenResult } from '../../net/open-result.ts';
import { EAGAIN, errnoName } from '../../sys/errno.ts';
import { Fd } from '../../sys/fd.ts';
import { sendFrom, tellLocalAddress } from '../../sys/local-address.ts';
import { bindForeign } from '../../sys/transparent.ts';
import {
  allowFragments,
  bindTo,
  connectTo,
  enlargeBuffers,
  mergeArrivals,
  openUdp,
  sendTo,
} from '../../sys/udp-socket.ts';
import type { SocketBuffers } from '../engine.ts';
import type { DropCounts } from '../portable/drop-counts.ts';
import { openFailed, sendFailureOf } from '../portable/error-names.ts';
import { type SharedMemory, SOCKET_FD, SOCKET_OPEN, SOCKET_PLAIN, SOCKET_TOUCHED, SOCKET_WORDS } from './layout.ts';
import { Vacancies } from './vacancies.ts';

/** Whoever reads what comes to a socket. */
export interface Reader {
  /** Whether it understands what the kernel merged. */
  readonly takesTrains: boolean;
  /** Throws SystemError. */
  add(fd: Fd, place: number): void;
  remove(fd: Fd): void;
  /** Returns when the batch that left this mark is over. */
  settle(touched: number): void;
}

export interface UdpPort {
  readonly id: SocketId;
  readonly fd: Fd;
  readonly family: 4 | 6;
  /** Bound to all addresses of the machine. */
  readonly wildcard: boolean;
  reader: Reader;
  /** Where it is in shared memory; a later socket may come to the same place, with another generation. */
  readonly place: number;
  readonly generation: number;
}

export interface SendOptions {
  readonly dontFragment?: boolean;
  /** The address of ours to send from; undefined = as the routes say. */
  readonly source?: string | undefined;
}

export interface OpenOptions {
  /** A descriptor that is bound there already. */
  readonly inherited?: number | undefined;
  /** The address is somebody else's: see Engine.openPort. */
  readonly towards?: Endpoint | undefined;
}

/** The UDP sockets of the engine. Main thread only: workers see them in shared memory. */
export class UdpPorts {
  readonly #ports = new Map<SocketId, UdpPort>();
  readonly #byPlace: (UdpPort | undefined)[] = [];
  readonly #sockets: Int32Array;
  readonly #vacancies: Vacancies;
  /** Places that a reader had before. He alone gets them again: he may still look there for a moment, and marks of two would be one too many. */
  readonly #left = new Map<Reader, number[]>();
  readonly #drops: DropCounts;
  readonly #merges: boolean;
  #generation = 0;

  /** `merges`: whether the kernel is asked for UDP_GRO. */
  constructor(memory: SharedMemory, drops: DropCounts, merges: boolean) {
    this.#sockets = new Int32Array(memory.sockets);
    this.#vacancies = new Vacancies(this.#sockets.length / SOCKET_WORDS);
    this.#drops = drops;
    this.#merges = merges;
  }

  get ids(): SocketId[] {
    return [...this.#ports.keys()];
  }

  get(id: SocketId): UdpPort | undefined {
    return this.#ports.get(id);
  }

  /** The socket that has this place, unless what is meant is an earlier one. */
  at(place: number, generation?: number): UdpPort | undefined {
    const port = this.#byPlace[place];
    return generation === undefined || port?.generation === generation ? port : undefined;
  }

  open(
    id: SocketId,
    local: Endpoint,
    buffers: SocketBuffers,
    reader: Reader,
    { inherited, towards }: OpenOptions = {},
  ): OpenResult {
    const place = this.#left.get(reader)?.pop() ?? this.#vacancies.take();
    if (place === undefined) return { ok: false, failure: 'no-descriptors', detail: 'the table of sockets is full' };
    let fd: Fd | undefined;
    try {
      fd = inherited === undefined ? openUdp(local.family) : new Fd(inherited, 'UDP socket that was handed over');
      enlargeBuffers(fd, buffers.receive, buffers.send);
      // RFC 8656 §14: nobody tells us the DF bit of what came in, and then it is taken for 0.
      allowFragments(fd, local.family, true);
      const bound = inherited === undefined ? bind(fd, local, towards) : local;
      const wildcard = isWildcard(local.address);
      if (wildcard) tellLocalAddress(fd, local.family);
      this.#adopt({ id, fd, family: local.family, wildcard, reader, place, generation: this.#nextGeneration() });
      return { ok: true, local: bound };
    } catch (error) {
      Atomics.store(this.#sockets, place * SOCKET_WORDS + SOCKET_OPEN, 0);
      this.#byPlace[place] = undefined;
      this.#ports.delete(id);
      this.#leave(reader, place);
      fd?.close();
      return openFailed(error);
    }
  }

  /** Gives every socket to another reader. Throws SystemError. */
  moveAll(reader: Reader): void {
    for (const port of this.#ports.values()) {
      port.reader.remove(port.fd);
      this.#beReadBy(port, reader);
    }
  }

  /** When no flow uses it any more. Its descriptor's number is free for others after the return, so no worker may still read from it. */
  close({ id, fd, reader, place }: UdpPort): void {
    const at = place * SOCKET_WORDS;
    Atomics.store(this.#sockets, at + SOCKET_OPEN, 0);
    reader.remove(fd);
    reader.settle(Atomics.load(this.#sockets, at + SOCKET_TOUCHED));
    this.#ports.delete(id);
    this.#byPlace[place] = undefined;
    this.#leave(reader, place);
    fd.close();
  }

  /** What a worker sends from the socket meanwhile has the bit too: of those, datagrams that need fragments are refused, and counted. */
  send(
    { fd, family }: UdpPort,
    to: Endpoint,
    packet: Uint8Array,
    { dontFragment = false, source }: SendOptions = {},
  ): void {
    if (to.port === 0) {
      this.#drops.add('engine', 'port-zero');
      return;
    }
    if (dontFragment) allowFragments(fd, family, false);
    const failure = -(source === undefined ? sendTo(fd, packet, to) : sendFrom(fd, source, packet, to));
    if (dontFragment) allowFragments(fd, family, true);
    if (failure === EAGAIN) this.#drops.add('engine', 'send-queue-full');
    else if (failure !== 0) this.#drops.add('engine', sendFailureOf(errnoName(failure)));
  }

  #adopt(port: UdpPort): void {
    const at = port.place * SOCKET_WORDS;
    // Not the mark: whoever is about to read has left it already.
    this.#sockets.fill(0, at + SOCKET_PLAIN, at + SOCKET_WORDS);
    this.#sockets[at + SOCKET_FD] = port.fd.number;
    Atomics.store(this.#sockets, at + SOCKET_OPEN, port.generation);
    this.#ports.set(port.id, port);
    this.#byPlace[port.place] = port;
    this.#beReadBy(port, port.reader);
  }

  #beReadBy(port: UdpPort, reader: Reader): void {
    port.reader = reader;
    reader.add(port.fd, port.place);
    if (this.#merges && reader.takesTrains) mergeArrivals(port.fd);
  }

  #leave(reader: Reader, place: number): void {
    const places = this.#left.get(reader);
    if (places === undefined) this.#left.set(reader, [place]);
    else places.push(place);
  }

  #nextGeneration(): number {
    this.#generation = (this.#generation % 0x7fffffff) + 1;
    return this.#generation;
  }
}

/** Connected, it takes nothing of what others send there: where this machine is their router, that is on its way to somebody else. */
function bind(fd: Fd, local: Endpoint, towards: Endpoint | undefined): Endpoint {
  if (towards === undefined) return bindTo(fd, local);
  const bound = bindForeign(fd, local);
  connectTo(fd, towards);
  return bound;
}
