import type { Arena } from './arena.ts';

/**
 * struct mmsghdr, 64 bits:
 *
 *   0 name ──▶ sockaddr     8 its size        16 iov ──▶ iovec [address:8 length:8] ...   24 how many
 *  32 control ──▶ cmsghdr  40 their size      48 flags                                    56 length of the message
 *
 * struct cmsghdr: 0 length of all, 8 level, 12 type, 16 the value.
 */
export const MESSAGE_BYTES = 64;
export const MESSAGE_WORDS = 16;
export const IOVEC_BYTES = 16;
/** Offsets in words of 32 bits, as the hot path reads and writes them. Upper halves of sizes stay zero. */
export const NAME_SIZE = 2;
export const IOV = 4;
export const IOV_COUNT = 6;
export const CONTROL = 8;
export const CONTROL_SIZE = 10;
export const FLAGS = 12;
export const LENGTH = 14;
export const NAME_STRIDE = 32;
/** Room for a local address and a size of segments. */
export const CONTROL_STRIDE = 64;
export const CONTROL_LEVEL = 2;
export const CONTROL_TYPE = 3;
export const CONTROL_VALUE = 4;
/** Of a control message with a value of 2 bytes, and of one with 4. */
export const CONTROL_LENGTH_16 = 18;
export const CONTROL_SPACE = 24;

/** Offsets of `count` messages, each with its name and its control room; the iovecs are the caller's. */
export interface MessageRoom {
  readonly messages: number;
  readonly names: number;
  readonly controls: number;
}

export function messageRoom(arena: Arena, count: number): MessageRoom {
  const room: MessageRoom = {
    messages: arena.take(count * MESSAGE_BYTES, 64),
    names: arena.take(count * NAME_STRIDE, 64),
    controls: arena.take(count * CONTROL_STRIDE, 64),
  };
  for (let n = 0; n < count; n++) {
    const message = room.messages + n * MESSAGE_BYTES;
    arena.point(message, room.names + n * NAME_STRIDE);
    arena.point(message + 32, room.controls + n * CONTROL_STRIDE);
  }
  return room;
}

/** Bytes of arena that the above takes. */
export function messageRoomBytes(count: number): number {
  return count * (MESSAGE_BYTES + NAME_STRIDE + CONTROL_STRIDE) + 3 * 64;
}
