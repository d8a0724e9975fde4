import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MAX_STREAM_FAULTS } from '../../../src/service/turn/streams.ts';
import { encodeMessage } from '../../../src/wire/stun/codec.ts';
import { METHOD_ALLOCATE, METHOD_BINDING } from '../../../src/wire/stun/message.ts';
import { encodeChannelData } from '../../../src/wire/turn/channel-data.ts';
import { bytes, codeOf, Harness, mustDecode, ofType, PEER, UDP } from './harness.ts';

const CLIENT = '203.0.113.9:4000';
const BINDING = encodeMessage({
  class: 'request',
  method: METHOD_BINDING,
  transactionId: new Uint8Array(12),
  attributes: {},
});

describe('clients over TCP and TLS', () => {
  test('allocate, bind and exchange data, padded, without flows', () => {
    const harness = new Harness();
    const client = harness.streamClient(CLIENT);
    const [relayed] = client.mustAllocate();
    assert.equal(codeOf(client.bind(0x4000, PEER)), 'success');
    assert.equal(harness.flows.size, 0);
    assert.deepEqual(client.channelData(0x4000, bytes('hello')), [
      { type: 'send', from: harness.socketOf(relayed), to: PEER, packet: bytes('hello') },
    ]);
    const orders = harness.fromPeer(relayed, PEER, bytes('hello'));
    assert.deepEqual(client.packetsIn(orders), [Uint8Array.of(0x40, 0, 0, 5, ...bytes('hello'), 0, 0, 0)]);
    assert.equal(ofType(orders, 'write')[0]?.droppable, true);
  });

  test('any cut of the stream gives the same answers', () => {
    const whole = new Harness();
    const client = whole.streamClient(CLIENT);
    const allocate = client.build(METHOD_ALLOCATE, { requestedTransport: UDP });
    const bytesOfAll = new Uint8Array([
      ...allocate,
      ...BINDING,
      ...encodeChannelData(0x4000, bytes('abc'), true),
      ...BINDING,
    ]);
    // The answer to Allocate waits for the port, so the order of answers is free.
    for (const size of [1, 2, 3, 7, 19, 20, 21, 64, bytesOfAll.length]) {
      const harness = new Harness();
      const cut = harness.streamClient(CLIENT);
      cut.nonce = cut.askNonce();
      const answers = [];
      for (let at = 0; at < bytesOfAll.length; at += size) answers.push(...cut.raw(bytesOfAll.slice(at, at + size)));
      assert.deepEqual(
        cut
          .packetsIn(answers)
          .map((packet) => mustDecode(packet).method)
          .sort(),
        [METHOD_BINDING, METHOD_BINDING, METHOD_ALLOCATE],
      );
      assert.equal(harness.drops('unknown-channel') + harness.drops('no-allocation'), 1);
    }
  });

  test('the end of the stream ends the allocation', () => {
    const harness = new Harness();
    const client = harness.streamClient(CLIENT);
    client.mustAllocate();
    client.bind(0x4000, PEER);
    assert.ok('stream' in client.reach);
    const { stream } = client.reach;
    const orders = harness.run(() => harness.service.handleStreamClosed(stream, harness.now));
    assert.deepEqual(
      orders.map(({ type }) => type),
      ['closePort', 'event'],
    );
    assert.deepEqual(harness.service.stats().held, { entries: 0, deadlines: 0, openings: 0, freePorts: 200 });
    assert.deepEqual(client.raw(BINDING), []);
    assert.equal(harness.drops('unknown-stream'), 1);
  });

  test('441, 437 and retransmission work as over UDP', () => {
    const harness = new Harness();
    const client = harness.streamClient(CLIENT);
    const transactionId = new Uint8Array(12).fill(1);
    const first = client.allocate({}, { transactionId });
    assert.deepEqual(client.allocate({}, { transactionId })?.attributes, first?.attributes);
    assert.equal(codeOf(client.allocate()), 437);
    assert.equal(codeOf(client.as('bob', 'builder').refresh()), 441);
  });
});

describe('streams that cost more than they are worth', () => {
  test('one that says nothing for 30 s is closed', () => {
    const harness = new Harness();
    harness.streamClient(CLIENT);
    assert.deepEqual(harness.pass(29_999), []);
    assert.deepEqual(
      harness.pass(1).map(({ type }) => type),
      ['closeStream'],
    );
    assert.equal(harness.drops('stream-idle'), 1);
    assert.equal(harness.service.stats().clients, 0);
  });

  test('a trickle of half a message does not help', () => {
    const harness = new Harness();
    const client = harness.streamClient(CLIENT);
    for (let index = 0; index < 6; index++) {
      client.raw(BINDING.slice(index, index + 1));
      harness.pass(5_000);
    }
    assert.equal(ofType(harness.orders, 'closeStream').length, 1);
  });

  test('strangers do not make it hold 64 KiB each; who has an allocation may send messages of any size', () => {
    const large = encodeChannelData(0x4000, new Uint8Array(60_000), true);
    const harness = new Harness();
    const stranger = harness.streamClient(CLIENT);
    for (let at = 0; at < 8000; at += 1000) assert.deepEqual(stranger.raw(large.slice(at, at + 1000)), []);
    assert.deepEqual(ofType(stranger.raw(large.slice(8000, 9000)), 'closeStream').length, 1);
    assert.equal(harness.drops('stream-garbage'), 1);
    const client = harness.streamClient(CLIENT);
    client.mustAllocate();
    client.bind(0x4000, PEER);
    client.raw(large.slice(0, 50_000));
    assert.equal(ofType(client.raw(large.slice(50_000)), 'send')[0]?.packet.length, 60_000);
  });

  test('requests without credentials do not help either', () => {
    const harness = new Harness();
    const client = harness.streamClient(CLIENT);
    harness.pass(20_000);
    client.allocate({}, { bare: true });
    assert.equal(ofType(harness.pass(10_000), 'closeStream').length, 1);
  });

  test('a valid request buys another 30 s; an allocation as long as it lives', () => {
    const harness = new Harness();
    const client = harness.streamClient(CLIENT);
    harness.pass(20_000);
    client.raw(BINDING);
    harness.pass(29_999);
    client.mustAllocate();
    harness.pass(599_999);
    assert.equal(ofType(harness.orders, 'closeStream').length, 0);
    harness.pass(1);
    assert.equal(harness.service.stats().allocations, 0);
    assert.equal(ofType(harness.pass(30_000), 'closeStream').length, 1);
  });

  test('one that is no STUN (here TLS) is closed at its first message, with its allocation', () => {
    const harness = new Harness();
    const client = harness.streamClient(CLIENT);
    client.mustAllocate();
    const orders = client.raw(Uint8Array.of(0x16, 0x03, 0x01, 0x02, 0x00));
    assert.deepEqual(
      orders.map(({ type }) => type),
      ['closePort', 'event', 'closeStream'],
    );
    assert.equal(harness.drops('stream-garbage'), 1);
    assert.deepEqual(harness.service.stats().held, { entries: 0, deadlines: 0, openings: 0, freePorts: 200 });
  });

  test('well-framed nonsense is borne for a while', () => {
    const harness = new Harness();
    const client = harness.streamClient(CLIENT);
    const response = encodeMessage({
      class: 'success',
      method: METHOD_BINDING,
      transactionId: new Uint8Array(12),
      attributes: {},
    });
    for (let count = 0; count < MAX_STREAM_FAULTS; count++) assert.deepEqual(client.raw(response), []);
    assert.deepEqual(
      client.raw(response).map(({ type }) => type),
      ['closeStream'],
    );
  });
});
