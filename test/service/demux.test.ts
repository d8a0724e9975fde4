import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { protocolOf } from '../../src/service/demux.ts';
import { encodeHandshake } from '../../src/wire/pair/handshake.ts';
import { encodeMessage } from '../../src/wire/stun/codec.ts';
import { METHOD_ALLOCATE, METHOD_BINDING } from '../../src/wire/stun/message.ts';
import { encodeChannelData } from '../../src/wire/turn/channel-data.ts';

const guid = 'ab'.repeat(16);
const key = new Uint8Array(32);

const cases: readonly (readonly [string, Uint8Array, ReturnType<typeof protocolOf>])[] = [
  ['a Binding request', stun('request', METHOD_BINDING), 'turn'],
  ['an Allocate success', stun('success', METHOD_ALLOCATE), 'turn'],
  ['STUN with a wrong length, for TURN to refuse', stun('request', METHOD_ALLOCATE).fill(9, 3, 4), 'turn'],
  ['ChannelData', encodeChannelData(0x4001, new Uint8Array(10), false), 'turn'],
  ['ChannelData with padding', encodeChannelData(0x4001, new Uint8Array(9), true), 'turn'],
  ['ChannelData of an older client', encodeChannelData(0x7fff, new Uint8Array(0), false), 'turn'],
  ['ChannelData beyond its datagram', encodeChannelData(0x4001, new Uint8Array(9), false).subarray(0, 12), undefined],
  ['a WireGuard initiation', wireguard(1, 148), 'wireguard'],
  ['a WireGuard response', wireguard(2, 92), 'wireguard'],
  ['a WireGuard cookie reply', wireguard(3, 64), 'wireguard'],
  ['WireGuard data', wireguard(4, 96), 'wireguard'],
  ['a WireGuard keepalive', wireguard(4, 32), 'wireguard'],
  ['an initiation of a wrong size', wireguard(1, 147), undefined],
  ['data without room for its tag', wireguard(4, 31), undefined],
  ['a pair handshake, whose first byte is that of WireGuard data', encodeHandshake({ guid, flags: 0 }, key), 'pair'],
  ['the magic alone', Uint8Array.of(0x04, 0xb2, 0x80, 0x00), 'pair'],
  ['a pair handshake before v0.4, which begins like STUN', Uint8Array.of(0, 1, 0, 16, ...new Uint8Array(16)), 'pair'],
  ['nothing', new Uint8Array(0), undefined],
  ['QUIC', Uint8Array.of(0xc0, 0, 0, 0, 1, 8), undefined],
];
for (const [name, packet, protocol] of cases) {
  test(`${name}: ${protocol ?? 'nobody knows'}`, () => assert.equal(protocolOf(packet), protocol));
}

test('whatever comes belongs to at most one, and no handshake of pairs to another', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 200 }), (bytes, behind) => {
      protocolOf(bytes);
      assert.equal(protocolOf(encodeHandshake({ guid, flags: 0 }, key, behind)), 'pair');
    }),
  );
});

function stun(messageClass: 'request' | 'success', method: number): Uint8Array {
  const message = { class: messageClass, method, transactionId: new Uint8Array(12), attributes: {} };
  return encodeMessage(message).slice();
}

function wireguard(type: number, size: number): Uint8Array {
  const message = new Uint8Array(size).fill(0xee);
  message.set([type, 0, 0, 0]);
  return message;
}
