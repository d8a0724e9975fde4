import type { Arena } from './arena.ts';
import { type Libc, libc, sendmmsg } from './libc.ts';
import { LOCAL_SPACE, writeLocalAddress } from './local-address.ts';
import {
  CONTROL,
  CONTROL_LENGTH_16,
  CONTROL_LEVEL,
  CONTROL_SIZE,
  CONTROL_SPACE,
  CONTROL_STRIDE,
  CONTROL_TYPE,
  CONTROL_VALUE,
  IOV,
  IOV_COUNT,
  IOVEC_BYTES,
  MESSAGE_BYTES,
  MESSAGE_WORDS,
  type MessageRoom,
  messageRoom,
  messageRoomBytes,
  NAME_SIZE,
  NAME_STRIDE,
} from './messages.ts';
import { MSG_DONTWAIT, SOL_UDP, UDP_SEGMENT } from './udp-socket.ts';

/**
 * Messages to be sent from one socket by one call. Each is gathered from pieces of the arena, and is one datagram, or, with a segment
 * size, the datagrams that the kernel cuts it into.
 *
 *    begin ─▶ (message ─▶ piece ... ─▶ cut?) ... ─▶ send
 */
export class SendBatch {
  readonly #arena: Arena;
  readonly #words: Int32Array;
  readonly #calls: Libc = libc();
  readonly #room: MessageRoom;
  readonly #messageWords: number;
  readonly #nameWords: number;
  /** Of the size of segments, which is the last control message or the only one. */
  readonly #controlWords: number;
  readonly #iovecWords: number;
  readonly #low: number;
  readonly #high: number;
  readonly #most: number;
  readonly #mostPieces: number;
  #messages = 0;
  #pieces = 0;
  /** Word of the message that is being gathered. */
  #current = 0;
  /** Where its last piece ends. */
  #end = -1;

  /** Bytes that it takes of the arena. */
  static bytes(messages: number, pieces: number): number {
    return messageRoomBytes(messages) + pieces * IOVEC_BYTES + 64;
  }

  /** `arena`: where the pieces lie. */
  constructor(arena: Arena, messages: number, pieces: number) {
    this.#arena = arena;
    this.#words = arena.words;
    this.#room = messageRoom(arena, messages);
    const iovecs = arena.take(pieces * IOVEC_BYTES, 64);
    this.#messageWords = this.#room.messages >> 2;
    this.#nameWords = this.#room.names >> 2;
    this.#controlWords = (this.#room.controls + SEGMENTS_AT) >> 2;
    this.#iovecWords = iovecs >> 2;
    this.#low = arena.address % WORD;
    this.#high = Math.floor(arena.address / WORD);
    this.#most = messages;
    this.#mostPieces = pieces;
    for (let n = 0; n < messages; n++) {
      const control = this.#controlOf(n);
      this.#words[control] = CONTROL_LENGTH_16;
      this.#words[control + CONTROL_LEVEL] = SOL_UDP;
      this.#words[control + CONTROL_TYPE] = UDP_SEGMENT;
    }
  }

  get messages(): number {
    return this.#messages;
  }

  /** Whether one more message of `pieces` has room. */
  fits(pieces: number): boolean {
    return this.#messages < this.#most && this.#pieces + pieces <= this.#mostPieces;
  }

  begin(): void {
    this.#messages = 0;
    this.#pieces = 0;
  }

  /** `name` is copied: a sockaddr of `size` bytes, beginning at a word of `from`. */
  message(from: Int32Array, name: number, size: number): void {
    const words = this.#words;
    const at = this.#messageWords + this.#messages * MESSAGE_WORDS;
    const to = this.#nameWords + this.#messages * (NAME_STRIDE / 4);
    for (let n = 0; n < size >> 2; n++) words[to + n] = from[name + n] ?? 0;
    const iovec = this.#low + (this.#iovecWords + this.#pieces * (IOVEC_BYTES / 4)) * 4;
    words[at + NAME_SIZE] = size;
    words[at + IOV] = iovec;
    words[at + IOV + 1] = this.#high;
    words[at + IOV_COUNT] = 0;
    words[at + CONTROL] = this.#low + this.#controlOf(this.#messages) * 4;
    words[at + CONTROL_SIZE] = 0;
    this.#current = at;
    this.#end = -1;
    this.#messages += 1;
  }

  /** One more piece of the message: `size` bytes at this offset of the arena. What lies behind the piece before it makes that longer. */
  piece(offset: number, size: number): void {
    const words = this.#words;
    if (offset === this.#end) {
      const last = this.#iovecWords + (this.#pieces - 1) * (IOVEC_BYTES / 4) + 2;
      words[last] = (words[last] ?? 0) + size;
      this.#end = offset + size;
      return;
    }
    this.#end = offset + size;
    const at = this.#iovecWords + this.#pieces * (IOVEC_BYTES / 4);
    words[at] = this.#low + offset;
    words[at + 1] = this.#high;
    words[at + 2] = size;
    this.#pieces += 1;
    words[this.#current + IOV_COUNT] = (words[this.#current + IOV_COUNT] ?? 0) + 1;
  }

  /** The kernel is to cut the message into datagrams of `size` bytes, the last of which may be shorter. */
  cut(size: number): void {
    this.#words[this.#controlOf(this.#messages - 1) + CONTROL_VALUE] = size;
    const used = this.#current + CONTROL_SIZE;
    this.#words[used] = (this.#words[used] ?? 0) + CONTROL_SPACE;
  }

  /** The message is to leave from the address that begins at a word of `from`, instead of the one that the routes say. Before it is cut. */
  leaveFrom(family: 4 | 6, from: Int32Array, address: number): void {
    const at = this.#controlOf(this.#messages - 1) - LOCAL_SPACE[family] / 4;
    writeLocalAddress(this.#words, at, family, from, address);
    this.#words[this.#current + CONTROL] = this.#low + at * 4;
    this.#words[this.#current + CONTROL_SIZE] = LOCAL_SPACE[family];
  }

  /** How many went out from the one at `first` on, up to the one before `end`; or −errno of the first. Never blocks. */
  send(fd: number, first: number, end: number = this.#messages): number {
    return sendmmsg(this.#calls, fd, this.address(first), end - first, MSG_DONTWAIT);
  }

  #controlOf(message: number): number {
    return this.#controlWords + message * (CONTROL_STRIDE / 4);
  }

  /** Of the message. */
  address(message: number): number {
    return this.#arena.address + this.#room.messages + message * MESSAGE_BYTES;
  }
}

const WORD = 2 ** 32;
const SEGMENTS_AT: number = LOCAL_SPACE[6];
