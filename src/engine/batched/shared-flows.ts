import { MAX_PAYLOAD } from '../../flow/encapsulate.ts';
import type { Discriminator, Encapsulation } from '../../flow/flow.ts';
import type { FlowMirror } from '../../flow/flow-table.ts';
import type { InstalledFlow } from '../../flow/installed-flow.ts';
import type { SocketId } from '../../net/ids.ts';
import type { Millis } from '../../net/time.ts';
import { encodeLocalAddress } from '../../sys/local-address.ts';
import { encodeSockaddr } from '../../sys/sockaddr.ts';
import {
  ADD,
  KEEP,
  KIND_CHANNEL,
  KIND_NONE,
  KIND_RECEIVER,
  NO_BUCKET,
  REPLACE,
  SENDER_WORDS,
  type SharedMemory,
  SLOT_ALIVE,
  SLOT_BUCKET,
  SLOT_BYTES,
  SLOT_CHANNEL,
  SLOT_DOUBLES,
  SLOT_EGRESS,
  SLOT_ENCAPSULATION,
  SLOT_EXCEPTED,
  SLOT_EXCEPTS,
  SLOT_KIND,
  SLOT_LAST_SEEN,
  SLOT_MAX_PAYLOAD,
  SLOT_PACKETS,
  SLOT_SENDER,
  SLOT_SOCKET,
  SLOT_SOURCE,
  SLOT_SOURCE_FAMILY,
  SLOT_TALLY,
  SLOT_TO,
  SLOT_TO_SIZE,
  SLOT_TOUCHED,
  SLOT_VALUE,
  SLOT_WORDS,
  SOCKET_CHANNELS,
  SOCKET_PLAIN,
  SOCKET_RECEIVERS,
  SOCKET_WORDS,
  STRIP,
  tallyOf,
} from './layout.ts';
import { SharedBuckets } from './shared-buckets.ts';
import { SharedIndex } from './shared-index.ts';
import type { Sources } from './sources.ts';
import { Vacancies } from './vacancies.ts';

export interface SharedFlowsParts {
  readonly memory: SharedMemory;
  readonly clock: () => Millis;
  /** Where an open socket is in shared memory. */
  readonly placeOf: (socket: SocketId) => number;
  /** Returns when no worker works any more on a batch that has this mark of the socket's worker. */
  readonly settle: (socket: SocketId, touched: number) => void;
  readonly sources: Sources;
  /** A flow that has no room; its packets go up. */
  readonly onFull: () => void;
}

/** The main thread's side of the flows in shared memory: it alone writes what they match and do. */
export class SharedFlows implements FlowMirror {
  readonly #parts: SharedFlowsParts;
  readonly #slots: Int32Array;
  readonly #doubles: Float64Array;
  readonly #view: DataView;
  readonly #sockets: Int32Array;
  readonly #index: SharedIndex;
  readonly #buckets: SharedBuckets;
  readonly #vacancies: Vacancies;
  #generation = 0;

  constructor(parts: SharedFlowsParts) {
    const { memory } = parts;
    this.#parts = parts;
    parts.sources.onChange = (places, address) => {
      for (const place of places) this.#leaveFrom(place, address);
    };
    this.#slots = new Int32Array(memory.slots);
    this.#doubles = new Float64Array(memory.slots);
    this.#view = new DataView(memory.slots);
    this.#sockets = new Int32Array(memory.sockets);
    this.#index = new SharedIndex(memory);
    this.#buckets = new SharedBuckets(memory);
    this.#vacancies = new Vacancies(Math.floor(this.#slots.length / SLOT_WORDS));
  }

  install(entry: InstalledFlow): void {
    const place = this.#vacancies.take();
    if (place === undefined) {
      this.#parts.onFull();
      return;
    }
    entry.place = place;
    const slot = place * SLOT_WORDS;
    const { match } = entry.flow;
    const socket = this.#parts.placeOf(match.socket);
    this.#write(place, entry, socket);
    this.#leaveFrom(place, this.#parts.sources.hold(entry.flow.rewrite, place));
    this.#generation = (this.#generation + 1) & 0x7fffffff || 1;
    Atomics.store(this.#slots, slot + SLOT_ALIVE, this.#generation);
    this.#index.add(place);
    this.#count(socket, match.discriminator, 1);
  }

  remove(entry: InstalledFlow): void {
    const { place } = entry;
    if (place === -1) return;
    const slot = place * SLOT_WORDS;
    const { match } = entry.flow;
    Atomics.store(this.#slots, slot + SLOT_ALIVE, 0);
    this.#parts.settle(match.socket, Atomics.load(this.#slots, slot + SLOT_TOUCHED));
    this.#index.remove(place);
    this.#count(this.#slots[slot + SLOT_SOCKET] ?? 0, match.discriminator, -1);
    this.refresh(entry);
    this.#parts.sources.letGo(entry.flow.rewrite, place);
    entry.place = -1;
    this.#vacancies.give(place);
    if (entry.bucket?.users === 1) this.#buckets.release(entry.bucket);
  }

  refresh(entry: InstalledFlow): void {
    const { place } = entry;
    if (place === -1) return;
    const at = place * SLOT_DOUBLES;
    entry.packets = this.#doubles[at + SLOT_PACKETS] ?? 0;
    entry.bytes = this.#doubles[at + SLOT_BYTES] ?? 0;
    entry.lastSeen = this.#doubles[at + SLOT_LAST_SEEN] ?? 0;
  }

  #write(place: number, entry: InstalledFlow, socket: number): void {
    const { flow, exceptWord } = entry;
    const { match, rewrite } = flow;
    const slots = this.#slots;
    const slot = place * SLOT_WORDS;
    slots.fill(0, slot, slot + SLOT_WORDS);
    slots[slot + SLOT_SOCKET] = socket;
    // An IPv6 sender's flow label is no part of who he is, and lies where IPv4 has its address: so the address comes behind the port.
    encodeSockaddr(match.remote, this.#view, (slot + SLOT_TO) * 4);
    const six = match.remote.family === 6;
    slots[slot + SLOT_SENDER] = slots[slot + SLOT_TO] ?? 0;
    for (let n = 1; n < (six ? SENDER_WORDS : 2); n++) {
      slots[slot + SLOT_SENDER + n] = slots[slot + SLOT_TO + n + (six ? 1 : 0)] ?? 0;
    }
    slots[slot + SLOT_KIND] = kindOf(match.discriminator);
    slots[slot + SLOT_VALUE] = discriminatorValue(match.discriminator);
    slots[slot + SLOT_EXCEPTS] = exceptWord === -1 ? 0 : 1;
    slots[slot + SLOT_EXCEPTED] = exceptWord;
    slots[slot + SLOT_ENCAPSULATION] = CHANGES[rewrite.encapsulation.kind];
    slots[slot + SLOT_CHANNEL] = 'channel' in rewrite.encapsulation ? rewrite.encapsulation.channel : 0;
    slots[slot + SLOT_MAX_PAYLOAD] = MAX_PAYLOAD[rewrite.remote.family];
    slots[slot + SLOT_EGRESS] = this.#parts.placeOf(rewrite.socket);
    slots[slot + SLOT_BUCKET] =
      entry.bucket === undefined || flow.limit === undefined
        ? NO_BUCKET
        : this.#buckets.hold(entry.bucket, flow.limit, this.#parts.clock());
    slots[slot + SLOT_TALLY] = tallyOf(flow.service, flow.direction);
    slots[slot + SLOT_TO_SIZE] = encodeSockaddr(rewrite.remote, this.#view, (slot + SLOT_TO) * 4);
  }

  /** A worker that looks meanwhile may send one datagram from neither the one address nor the other, which the kernel refuses. */
  #leaveFrom(place: number, address: string | undefined): void {
    const at = place * SLOT_WORDS;
    Atomics.store(this.#slots, at + SLOT_SOURCE_FAMILY, 0);
    if (address === undefined) return;
    const family = address.includes(':') ? 6 : 4;
    encodeLocalAddress(address, family, this.#slots, at + SLOT_SOURCE);
    Atomics.store(this.#slots, at + SLOT_SOURCE_FAMILY, family);
  }

  /** So that a worker need not look for kinds of flows that a socket has none of. */
  #count(socket: number, { kind }: Discriminator, change: number): void {
    const at = socket * SOCKET_WORDS + COUNTS[kind];
    this.#sockets[at] = (this.#sockets[at] ?? 0) + change;
  }
}

function kindOf({ kind }: Discriminator): number {
  return { none: KIND_NONE, channel: KIND_CHANNEL, receiver: KIND_RECEIVER }[kind];
}

function discriminatorValue(discriminator: Discriminator): number {
  switch (discriminator.kind) {
    case 'none':
      return 0;
    case 'channel':
      return discriminator.channel;
    case 'receiver':
      return discriminator.index;
  }
}

const COUNTS: Readonly<Record<Discriminator['kind'], number>> = {
  none: SOCKET_PLAIN,
  channel: SOCKET_CHANNELS,
  receiver: SOCKET_RECEIVERS,
};

const CHANGES: Readonly<Record<Encapsulation['kind'], number>> = {
  keep: KEEP,
  strip: STRIP,
  add: ADD,
  replace: REPLACE,
};
