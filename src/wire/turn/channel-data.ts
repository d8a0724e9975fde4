/** RFC 8656 §12: channels are 0x4000 to 0x4FFF; older clients (RFC 5766) use up to 0x7FFF. */
export const CHANNEL_MIN = 0x4000;
export const CHANNEL_MAX = 0x4fff;
export const CHANNEL_MAX_RFC5766 = 0x7fff;
export const CHANNEL_HEADER_BYTES = 4;

/**
 * The data of a ChannelData datagram (padding accepted and cut off), as a view; undefined when it is none or its length does not fit.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-------------------------------+-------------------------------+
 *     |  channel (0x4000 to 0x7FFF)   |  length of data, unpadded     |
 *     +-------------------------------+-------------------------------+
 *     |  data … padding (streams: to a multiple of 4; datagrams: any) |
 */
export function decodeChannelData(
  packet: Uint8Array,
): { readonly channel: number; readonly data: Uint8Array } | undefined {
  if (packet.length < CHANNEL_HEADER_BYTES) return undefined;
  const channel = ((packet[0] ?? 0) << 8) | (packet[1] ?? 0);
  if (channel < CHANNEL_MIN || channel > CHANNEL_MAX_RFC5766) return undefined;
  const length = ((packet[2] ?? 0) << 8) | (packet[3] ?? 0);
  if (CHANNEL_HEADER_BYTES + length > packet.length) return undefined;
  return { channel, data: new Uint8Array(packet.buffer, packet.byteOffset + CHANNEL_HEADER_BYTES, length) };
}

/** `padded`: to a multiple of four, as streams need (RFC 8656 §12.5). */
export function encodeChannelData(channel: number, data: Uint8Array, padded: boolean): Uint8Array {
  if (!Number.isInteger(channel) || channel < CHANNEL_MIN || channel > CHANNEL_MAX_RFC5766) {
    throw new ChannelDataEncodeError(`no channel number: ${channel}`);
  }
  if (data.length > 0xffff) throw new ChannelDataEncodeError(`${data.length} bytes do not fit one ChannelData message`);
  const length = CHANNEL_HEADER_BYTES + data.length;
  const packet = new Uint8Array(padded ? (length + 3) & ~3 : length);
  packet[0] = channel >>> 8;
  packet[1] = channel;
  packet[2] = data.length >>> 8;
  packet[3] = data.length;
  packet.set(data, CHANNEL_HEADER_BYTES);
  return packet;
}

/** Thrown for values that no ChannelData message can carry: a mistake of the caller. */
export class ChannelDataEncodeError extends Error {
  override readonly name = 'ChannelDataEncodeError';
  readonly code = 'ERR_CHANNEL_DATA_ENCODE';
}
