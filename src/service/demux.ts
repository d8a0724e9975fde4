import { channelLength } from '../flow/discriminate.ts';
import type { ServiceName } from '../flow/flow.ts';
import { firstWord } from '../wire/first-word.ts';
import { PAIR_MAGIC } from '../wire/pair/handshake.ts';
import { HEADER_BYTES, MAGIC_COOKIE } from '../wire/stun/header.ts';
import { CHANNEL_HEADER_BYTES } from '../wire/turn/channel-data.ts';

/**
 * Whose protocol a datagram is, by its first bytes, where several services share a port; undefined when it is no known one.
 *
 *     first bytes                          and                                     is
 *     04 B2 80 00                                                                  pair, v0.4 and later
 *     01 to 04, 00 00 00                   the length that this type has           wireguard
 *     00xxxxxx                             STUN's cookie                           turn
 *     01xxxxxx                             4 + length within the datagram          turn: ChannelData, also of older clients
 *     00 01                                no cookie                               pair, before v0.4
 *
 * QUIC collides with ChannelData, and so may not share a port.
 */
export function protocolOf(packet: Uint8Array): ServiceName | undefined {
  const first = packet[0];
  if (first === undefined) return undefined;
  if (firstWord(packet) === PAIR_MAGIC) return 'pair';
  if (isWireGuard(packet)) return 'wireguard';
  if (first < 0x40 && firstWord(packet.subarray(4)) === MAGIC_COOKIE) return 'turn';
  if (isChannelData(packet)) return 'turn';
  return first === 0 && packet[1] === 1 && packet.length >= HEADER_BYTES ? 'pair' : undefined;
}

/** Sizes of initiation, response and cookie reply; data is 16 bytes of header and ciphertext with its 16 bytes of tag. */
function isWireGuard(packet: Uint8Array): boolean {
  switch (firstWord(packet)) {
    case 0x01000000:
      return packet.length === 148;
    case 0x02000000:
      return packet.length === 92;
    case 0x03000000:
      return packet.length === 64;
    case 0x04000000:
      return packet.length >= 32;
    default:
      return false;
  }
}

function isChannelData(packet: Uint8Array): boolean {
  const first = packet[0] ?? 0;
  if (first < 0x40 || first > 0x7f || packet.length < CHANNEL_HEADER_BYTES) return false;
  return CHANNEL_HEADER_BYTES + channelLength(packet) <= packet.length;
}
