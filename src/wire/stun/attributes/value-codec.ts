import type { WireBytes } from '../wire-bytes.ts';

/** How one kind of value is laid out: a pair of functions. Offsets count from the start of the message. */
export interface ValueCodec<T> {
  /** The value in `length` bytes at `offset`; undefined when it is malformed. */
  decode(from: WireBytes, offset: number, length: number): T | undefined;
  /** Writes at `offset`, at most 65,535 bytes, and returns how many (without padding). Throws StunEncodeError. */
  encode(to: WireBytes, offset: number, value: T): number;
}
