import { createHash } from 'node:crypto';
import { endpointKey } from '../../../../src/net/endpoint.ts';
import { type DecodedMessage, decodeMessage } from '../../../../src/wire/stun/codec.ts';
import {
  METHOD_ALLOCATE,
  METHOD_CHANNEL_BIND,
  METHOD_CREATE_PERMISSION,
  METHOD_DATA,
  METHOD_REFRESH,
} from '../../../../src/wire/stun/message.ts';

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

/** Of data: as it is when it is short, else its length and digest. */
export function fingerprint(data: Uint8Array): string {
  return data.length <= 64 ? hex(data) : `${data.length} bytes ${createHash('sha256').update(data).digest('hex')}`;
}

/** What a packet from the listener to a client says, without what differs from run to run. */
export function describeForClient(packet: Uint8Array): string {
  const first = packet[0] ?? 0xff;
  if (first >= 0x40 && first < 0x80) {
    const [channel, length] = [0, 2].map((at) => ((packet[at] ?? 0) << 8) | (packet[at + 1] ?? 0));
    if (packet.length !== 4 + (length ?? 0)) return `padded ${fingerprint(packet)}`;
    return `channel ${channel} ${fingerprint(packet.subarray(4))}`;
  }
  const message = readMessage(packet);
  if (message === undefined) return `unreadable ${fingerprint(packet)}`;
  const { xorPeerAddresses, data, errorCode } = message.attributes;
  if (message.class === 'indication' && message.method === METHOD_DATA && data !== undefined) {
    return `data from ${(xorPeerAddresses ?? []).map(endpointKey).join()} ${fingerprint(data)}`;
  }
  const method = METHODS.get(message.method) ?? message.method;
  return `${method} ${message.class === 'success' ? 0 : errorCode?.code}`;
}

export function readMessage(packet: Uint8Array): DecodedMessage | undefined {
  const decoded = decodeMessage(packet);
  return decoded.ok ? decoded.message : undefined;
}

const METHODS: ReadonlyMap<number, string> = new Map([
  [METHOD_ALLOCATE, 'allocate'],
  [METHOD_REFRESH, 'refresh'],
  [METHOD_CREATE_PERMISSION, 'permit'],
  [METHOD_CHANNEL_BIND, 'bind'],
]);
