import { hashFlow, hashSender } from './hash.ts';
import {
  CONTROL_INDEX,
  INDEX_VACANT,
  INDEX_WORDS,
  KIND_CHANNEL,
  KIND_NONE,
  KIND_RECEIVER,
  type SharedMemory,
  SLOT_ALIVE,
  SLOT_EXCEPTED,
  SLOT_EXCEPTS,
  SLOT_KIND,
  SLOT_SENDER,
  SLOT_SOCKET,
  SLOT_VALUE,
  SLOT_WORDS,
  SOCKET_CHANNELS,
  SOCKET_PLAIN,
  SOCKET_RECEIVERS,
  SOCKET_WORDS,
} from './layout.ts';
import { firstWordAt, receiverAt } from './peek.ts';

export const NO_FLOW = -1;

/**
 * Finds flows in shared memory, without locks, while the main thread changes them. It comes to the answers of SocketFlows, but for one
 * thing: a flow that is found may be gone a moment later, so whoever uses it must look again behind a barrier (see layout.ts).
 */
export class FlowReader {
  readonly #control: Int32Array;
  readonly #sockets: Int32Array;
  readonly #index: Int32Array;
  readonly #slots: Int32Array;
  readonly #seed: number;
  /** Of the flow that was found last: it is still the same one for as long as SLOT_ALIVE says this. */
  generation = 0;
  #socket = 0;
  #senderHash = 0;
  #sender: Int32Array = new Int32Array(5);
  #senderAt = 0;
  #channel = NO_CHANNEL;
  #channelSlot = NO_FLOW;
  #channelGeneration = 0;

  constructor(memory: SharedMemory) {
    this.#control = new Int32Array(memory.control);
    this.#sockets = new Int32Array(memory.sockets);
    this.#index = new Int32Array(memory.index);
    this.#slots = new Int32Array(memory.slots);
    this.#seed = memory.seed;
  }

  /** What is asked for next came to `socket` from this sender: five words as in sockaddr, those that IPv4 lacks being 0. */
  from(socket: number, sender: Int32Array, at: number): void {
    this.#socket = socket;
    this.#sender = sender;
    this.#senderAt = at;
    this.#senderHash = hashSender(this.#seed, socket, sender, at);
    this.#channel = NO_CHANNEL;
  }

  /** The slot of the flow that takes the payload, or NO_FLOW. */
  find(bytes: Uint8Array, offset: number, length: number): number {
    const kinds = this.#socket * SOCKET_WORDS;
    if (this.#sockets[kinds + SOCKET_CHANNELS] !== 0) {
      const found = this.#findChannel(bytes, offset, length);
      if (found !== NO_FLOW) return found;
    }
    if (this.#sockets[kinds + SOCKET_RECEIVERS] !== 0) {
      const index = receiverAt(bytes, offset, length);
      const found = index < 0 ? NO_FLOW : this.#search(KIND_RECEIVER, index | 0);
      if (found !== NO_FLOW) return found;
    }
    if (this.#sockets[kinds + SOCKET_PLAIN] === 0) return NO_FLOW;
    const plain = this.#search(KIND_NONE, 0);
    if (plain === NO_FLOW) return NO_FLOW;
    const slot = plain * SLOT_WORDS;
    const excepted =
      this.#slots[slot + SLOT_EXCEPTS] === 1 &&
      length >= 4 &&
      this.#slots[slot + SLOT_EXCEPTED] === firstWordAt(bytes, offset);
    return excepted ? NO_FLOW : plain;
  }

  /** Neighbours in a train nearly always share their channel: the last answer is kept. */
  #findChannel(bytes: Uint8Array, offset: number, length: number): number {
    const first = bytes[offset] ?? 0;
    if (length < 4 || first < 0x40 || first > 0x7f) return NO_FLOW;
    if (4 + (((bytes[offset + 2] ?? 0) << 8) | (bytes[offset + 3] ?? 0)) > length) return NO_FLOW;
    const channel = (first << 8) | (bytes[offset + 1] ?? 0);
    if (channel !== this.#channel) {
      this.#channel = channel;
      this.#channelSlot = this.#search(KIND_CHANNEL, channel);
      this.#channelGeneration = this.generation;
    }
    this.generation = this.#channelGeneration;
    return this.#channelSlot;
  }

  #search(kind: number, value: number): number {
    const hash = hashFlow(this.#senderHash, kind, value);
    const inUse = this.#control[CONTROL_INDEX] ?? 0;
    const first = inUse >>> 5 === 0 ? 0 : this.#index.length >>> 1;
    const mask = (1 << (inUse & 31)) - 1;
    // No more steps than entries: the table may be another one by now, without a vacancy in this part.
    for (let step = 0; step <= mask; step++) {
      const at = first + ((hash + step) & mask) * INDEX_WORDS;
      const slot = this.#index[at] ?? 0;
      if (slot === INDEX_VACANT) return NO_FLOW;
      if (slot > 0 && this.#index[at + 1] === hash) {
        // Read before what it stands for, as it is written after: what changes in between is found out by whoever compares again.
        this.generation = Atomics.load(this.#slots, (slot - 1) * SLOT_WORDS + SLOT_ALIVE);
        if (this.#matches((slot - 1) * SLOT_WORDS, kind, value)) return this.generation === 0 ? NO_FLOW : slot - 1;
      }
    }
    return NO_FLOW;
  }

  #matches(slot: number, kind: number, value: number): boolean {
    const slots = this.#slots;
    const sender = this.#sender;
    const at = this.#senderAt;
    return (
      slots[slot + SLOT_SOCKET] === this.#socket &&
      slots[slot + SLOT_SENDER] === sender[at] &&
      slots[slot + SLOT_SENDER + 1] === sender[at + 1] &&
      slots[slot + SLOT_SENDER + 2] === sender[at + 2] &&
      slots[slot + SLOT_SENDER + 3] === sender[at + 3] &&
      slots[slot + SLOT_SENDER + 4] === sender[at + 4] &&
      slots[slot + SLOT_KIND] === kind &&
      slots[slot + SLOT_VALUE] === value
    );
  }
}

const NO_CHANNEL = -1;
