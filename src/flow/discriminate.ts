import { CHANNEL_HEADER_BYTES } from '../wire/turn/channel-data.ts';

/** `channelOf` found no ChannelData: the first byte is not 0x40 to 0x7F, or there is no whole header. */
export const NOT_CHANNEL_DATA = -1;
/** A ChannelData header whose length field goes beyond the datagram. */
export const MALFORMED_CHANNEL_DATA = -2;

/**
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-------------------------------+-------------------------------+
 * |  Channel Number 0x4000-0x7FFF |            Length             |  RFC 8656 §12.4; 0x5000 up: RFC 5766
 * +-------------------------------+-------------------------------+
 *
 * The channel number, or one of the two constants above. What lies behind `length` bytes of data is padding (§12.5).
 */
export function channelOf(payload: Uint8Array): number {
  const first = payload[0];
  if (first === undefined || first < 0x40 || first > 0x7f) return NOT_CHANNEL_DATA;
  if (payload.length < CHANNEL_HEADER_BYTES) return MALFORMED_CHANNEL_DATA;
  if (CHANNEL_HEADER_BYTES + channelLength(payload) > payload.length) return MALFORMED_CHANNEL_DATA;
  return (first << 8) | (payload[1] ?? 0);
}

/** The length field of ChannelData: its data without header and padding. */
export function channelLength(payload: Uint8Array): number {
  return ((payload[2] ?? 0) << 8) | (payload[3] ?? 0);
}

/** `receiverOf` found no WireGuard message that names a receiver. */
export const NO_RECEIVER = -1;

/** The receiver index of a WireGuard response (2), cookie reply (3) or data message (4) of the size that its type has; else NO_RECEIVER. */
export function receiverOf(payload: Uint8Array): number {
  if (payload[1] !== 0 || payload[2] !== 0 || payload[3] !== 0) return NO_RECEIVER;
  switch (payload[0]) {
    case 2:
      return payload.length === 92 ? littleEndian32(payload, 8) : NO_RECEIVER;
    case 3:
      return payload.length === 64 ? littleEndian32(payload, 4) : NO_RECEIVER;
    case 4:
      return payload.length >= 32 ? littleEndian32(payload, 4) : NO_RECEIVER;
    default:
      return NO_RECEIVER;
  }
}

function littleEndian32(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
  return low + (bytes[at + 3] ?? 0) * 0x1000000;
}
