import { Arena } from './arena.ts';
import { errno } from './ffi.ts';
import { type Libc, libc } from './libc.ts';
import { LOCAL_AT, LOCAL_LEVEL, LOCAL_TYPE } from './local-address.ts';
import {
  CONTROL_LEVEL,
  CONTROL_SIZE,
  CONTROL_STRIDE,
  CONTROL_TYPE,
  CONTROL_VALUE,
  FLAGS,
  IOV_COUNT,
  IOVEC_BYTES,
  LENGTH,
  MESSAGE_BYTES,
  MESSAGE_WORDS,
  type MessageRoom,
  messageRoom,
  messageRoomBytes,
  NAME_SIZE,
  NAME_STRIDE,
} from './messages.ts';
import { SOCKADDR_BYTES } from './sockaddr.ts';
import { MSG_DONTWAIT, SOL_UDP, UDP_GRO } from './udp-socket.ts';

/** Room for `count` datagrams of any size, or trains of them that the kernel merged, to be filled from any number of sockets. */
export class ReceiveBatch {
  readonly arena: Arena;
  readonly count: number;
  readonly #room: MessageRoom;
  readonly #calls: Libc = libc();
  readonly #words: Int32Array;
  readonly #messageWords: number;
  readonly #buffers: number;

  /** `more`: bytes of the arena for others. */
  constructor(count: number, more = 0) {
    this.count = count;
    this.arena = new Arena(messageRoomBytes(count) + count * (IOVEC_BYTES + BUFFER_STRIDE) + 4096 + more);
    this.#room = messageRoom(this.arena, count);
    const iovecs = this.arena.take(count * IOVEC_BYTES);
    this.#buffers = this.arena.take(count * BUFFER_STRIDE, 4096);
    this.#words = this.arena.words;
    this.#messageWords = this.#room.messages >> 2;
    for (let n = 0; n < count; n++) {
      const message = this.#room.messages + n * MESSAGE_BYTES;
      this.arena.point(message + 16, iovecs + n * IOVEC_BYTES);
      this.arena.words[(message >> 2) + IOV_COUNT] = 1;
      this.arena.point(iovecs + n * IOVEC_BYTES, this.buffer(n));
      this.arena.view.setUint32(iovecs + n * IOVEC_BYTES + 8, BUFFER_BYTES, true);
    }
    this.rearm(count);
  }

  /** Fills at most `most` messages from the one at `first` on. How many, or −errno. Never blocks. */
  receive(fd: number, first: number, most: number): number {
    const messages = this.arena.address + this.#room.messages + first * MESSAGE_BYTES;
    const received = this.#calls.recvmmsg(fd, messages, most, MSG_DONTWAIT, 0);
    return received < 0 ? -errno() : received;
  }

  /** Makes the first `used` messages ready for the next time. The kernel writes sizes over ours. */
  rearm(used: number): void {
    const words = this.#words;
    for (let n = 0, at = this.#messageWords; n < used; n++, at += MESSAGE_WORDS) {
      words[at + NAME_SIZE] = SOCKADDR_BYTES;
      words[at + CONTROL_SIZE] = CONTROL_STRIDE;
      words[at + FLAGS] = 0;
    }
  }

  /** Offset of the payload in the arena. */
  buffer(index: number): number {
    return this.#buffers + index * BUFFER_STRIDE;
  }

  length(index: number): number {
    return this.#words[this.#messageWords + index * MESSAGE_WORDS + LENGTH] ?? 0;
  }

  /** Offset of the sender's sockaddr in the arena. */
  sender(index: number): number {
    return this.#room.names + index * NAME_STRIDE;
  }

  /** Size of the datagrams that were merged into this one, the last of which may be shorter; 0 when it is one. */
  segmentSize(index: number): number {
    const value = this.#control(index, SOL_UDP, UDP_GRO);
    return value < 0 ? 0 : (this.#words[value] ?? 0);
  }

  /** Word of the arena where the address begins that it was sent to; −1 where the socket was not asked to tell. */
  localAddress(index: number, family: 4 | 6): number {
    const value = this.#control(index, LOCAL_LEVEL[family], LOCAL_TYPE[family]);
    return value < 0 ? -1 : value + LOCAL_AT[family];
  }

  /** Word of the arena where the value of such a control message begins, −1 when there is none. */
  #control(index: number, level: number, type: number): number {
    const words = this.#words;
    let at = (this.#room.controls + index * CONTROL_STRIDE) >> 2;
    const end = at + ((words[this.#messageWords + index * MESSAGE_WORDS + CONTROL_SIZE] ?? 0) >> 2);
    while (at + CONTROL_VALUE < end) {
      if (words[at + CONTROL_LEVEL] === level && words[at + CONTROL_TYPE] === type) return at + CONTROL_VALUE;
      at += (((words[at] ?? 0) + 7) & ~7) >> 2 || end;
    }
    return -1;
  }
}

/** The largest UDP payload, merged or not. */
const BUFFER_BYTES = 65536;
/** Buffers an exact power of two apart would share few sets of the processor's caches. */
const BUFFER_STRIDE = BUFFER_BYTES + 4096 + 320;
