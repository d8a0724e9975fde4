import type { Family } from '../net/address.ts';
import { CHANNEL_HEADER_BYTES } from '../wire/turn/channel-data.ts';
import { channelLength } from './discriminate.ts';
import type { Encapsulation } from './flow.ts';

/** Largest UDP payload: 65535 minus the headers of IPv4 (20, inside its length field) and UDP (8); IPv6's header counts not. */
export const MAX_PAYLOAD: Readonly<Record<Family, number>> = { 4: 65507, 6: 65527 };

/** Size of what `encapsulate` will make of it. strip and replace want whole ChannelData, which a channel discriminator has seen to. */
export function encapsulatedLength(encapsulation: Encapsulation, payload: Uint8Array): number {
  switch (encapsulation.kind) {
    case 'keep':
      return payload.length;
    case 'strip':
      return channelLength(payload);
    case 'add':
      return CHANNEL_HEADER_BYTES + payload.length;
    case 'replace':
      return CHANNEL_HEADER_BYTES + channelLength(payload);
  }
}

/** The reference: what goes out for what came in. Never writes to `payload`; the result may be a view of it. */
export function encapsulate(encapsulation: Encapsulation, payload: Uint8Array): Uint8Array {
  switch (encapsulation.kind) {
    case 'keep':
      return payload;
    case 'strip':
      return dataOf(payload);
    case 'add':
      return withHeader(encapsulation.channel, payload);
    case 'replace':
      return withHeader(encapsulation.channel, dataOf(payload));
  }
}

function dataOf(channelData: Uint8Array): Uint8Array {
  return channelData.subarray(CHANNEL_HEADER_BYTES, CHANNEL_HEADER_BYTES + channelLength(channelData));
}

function withHeader(channel: number, data: Uint8Array): Uint8Array {
  const out = new Uint8Array(CHANNEL_HEADER_BYTES + data.length);
  writeChannelHeader(out, channel, data.length);
  out.set(data, CHANNEL_HEADER_BYTES);
  return out;
}

/** Puts number and length into the first four bytes (RFC 8656 §12.4). */
export function writeChannelHeader(out: Uint8Array, channel: number, length: number): void {
  out[0] = channel >>> 8;
  out[1] = channel;
  out[2] = length >>> 8;
  out[3] = length;
}
