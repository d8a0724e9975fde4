/** RFC 8656 §12: channels are 0x4000 to 0x4FFF; older clients (RFC 5766) use up to 0x7FFF. */
export const CHANNEL_MIN = 0x4000;
export const CHANNEL_MAX = 0x4fff;
export const CHANNEL_MAX_RFC5766 = 0x7fff;
export const CHANNEL_HEADER_BYTES = 4;

/** The data of a ChannelData datagram (padding accepted and cut off), as a view; undefined when it is none or its length does not fit. */
export function decodeChannelData(
  _packet: Uint8Array,
): { readonly channel: number; readonly data: Uint8Array } | undefined {
  throw new Error('not built yet');
}

/** `padded`: to a multiple of four, as streams need (RFC 8656 §12.5). */
export function encodeChannelData(_channel: number, _data: Uint8Array, _padded: boolean): Uint8Array {
  throw new Error('not built yet');
}
