import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parsePrefix } from '../../../src/net/prefix.ts';
import { encodeProxyV2 } from '../../../src/wire/proxy-protocol/v2.ts';
import { KeptMirror } from '../kept-mirror.ts';
import { all, endpoint, goal, Harness, one, rule, types } from './harness.ts';

const transparent = { transparent: true } as const;
const udp = { ...transparent, transport: 'dgram', idle: 60_000 } as const;
const CLIENT = '198.51.100.1:5000';
const CLIENT_6 = '[2001:db8:1::1]:5000';
const [A, A6] = ['192.0.2.1:80', '[2001:db8::1]:80'];
const prefixes = (text: string) => [parsePrefix(text) ?? assert.fail()];
const header = (source: string, destination = A) =>
  encodeProxyV2({
    command: 'proxy',
    addresses: { transport: 'stream', source: endpoint(source), destination: endpoint(destination) },
    tlvs: [],
  });

describe('connections in the name of the client', () => {
  test('come from his address, and no decision stands for the next', () => {
    const harness = new Harness(rule([A], transparent));
    const connect = one(harness.open(CLIENT).orders, 'connect');
    assert.deepEqual([connect.from, connect.transparent, goal(connect)], [endpoint(CLIENT), true, A]);
    assert.equal(harness.standing, undefined);
  });

  test('without it nothing is said of an address', () => {
    const connect = one(new Harness(rule([A])).open(CLIENT).orders, 'connect');
    assert.deepEqual([connect.from, connect.transparent], [undefined, undefined]);
  });

  test('lead to upstreams of his family only, through failures too', () => {
    const harness = new Harness(rule([A, A6, '192.0.2.2:80'], transparent));
    for (let n = 0; n < 4; n++) assert.deepEqual(one(harness.open(CLIENT_6).orders, 'connect').to, endpoint(A6));
    const first = one(harness.open(CLIENT).orders, 'connect');
    const second = one(harness.failed(first.stream), 'connect');
    assert.deepEqual([goal(first), goal(second)].sort(), [A, '192.0.2.2:80']);
    assert.deepEqual(types(harness.failed(second.stream)), ['closeStream']);
    assert.equal(harness.drops()['no-upstream'], 1);
  });

  test('of another family than every upstream are refused, and counted by that name', () => {
    const harness = new Harness(rule([A], transparent));
    assert.deepEqual(types(harness.open(CLIENT_6).orders), ['closeStream']);
    assert.deepEqual(harness.drops(), { 'unusable-source': 1 });
    assert.equal(harness.service.stats().held, 0);
  });

  test('are those of whom a header names; no address is nobody', () => {
    const proxied = { ...transparent, proxyIn: prefixes('198.51.100.0/24') };
    const harness = new Harness(rule([A], proxied));
    const { stream } = harness.open(CLIENT);
    const connect = one(harness.data(stream, header('203.0.113.7:1234')), 'connect');
    assert.deepEqual(connect.from, endpoint('203.0.113.7:1234'));
    const nobodys = ['0.0.0.0:1234', '224.0.0.1:1234', '239.255.255.250:1900', '255.255.255.255:1234'];
    for (const source of nobodys) {
      const other = harness.open(CLIENT).stream;
      assert.deepEqual(types(harness.data(other, header(source))), ['closeStream'], source);
    }
    assert.deepEqual(harness.drops(), { 'unusable-source': nobodys.length });
  });

  test('are those of whom a header names, in IPv6 too', () => {
    const harness = new Harness(rule([A6], { ...transparent, proxyIn: prefixes('2001:db8:1::/48') }));
    for (const source of ['[::]:1234', '[ff02::1]:1234']) {
      const { stream } = harness.open(CLIENT_6);
      assert.deepEqual(types(harness.data(stream, header(source, A6))), ['closeStream'], source);
    }
    assert.deepEqual(harness.drops(), { 'unusable-source': 2 });
  });

  test('are of no loopback but ours', () => {
    const harness = new Harness(rule([A], { ...transparent, proxyIn: prefixes('0.0.0.0/0') }));
    const { stream } = harness.open(CLIENT);
    assert.deepEqual(types(harness.data(stream, header('127.0.0.1:1234'))), ['closeStream']);
    assert.deepEqual(harness.drops(), { 'unusable-source': 1 });
    assert.equal(harness.service.stats().held, 0);
    const near = harness.open('127.0.0.1:5000').stream;
    assert.deepEqual(one(harness.data(near, header('127.0.0.1:1234')), 'connect').from, endpoint('127.0.0.1:1234'));
  });

  test('health checks come from ourselves', () => {
    const health = {
      interval: 5000,
      timeout: 1000,
      rise: 1,
      fall: 1,
      request: new Uint8Array(0),
      reply: new Uint8Array(0),
    };
    const check = one(new Harness(rule([A], { ...transparent, health })).wait(0), 'connect');
    assert.deepEqual([check.from, check.transparent], [undefined, undefined]);
  });
});

describe('sessions in the name of the client', () => {
  test('have his address and port, and the upstream alone to talk to', () => {
    const harness = new Harness(rule([A], udp));
    const opening = one(harness.datagram(CLIENT, 'one'), 'openPort');
    assert.deepEqual([opening.local, opening.towards], [endpoint(CLIENT), endpoint(A)]);
    // Another port, where his is taken.
    const flow = one(harness.portOpened(opening.socket), 'addFlow').flow;
    assert.equal(flow.rewrite.local.port, 40_000);
  });

  test('are of no loopback but ours', () => {
    const harness = new Harness(rule([A], { ...udp, proxyIn: prefixes('198.51.100.0/24') }));
    const claim = encodeProxyV2({
      command: 'proxy',
      addresses: { transport: 'dgram', source: endpoint('127.0.0.1:9'), destination: endpoint(A) },
      tlvs: [],
    });
    assert.deepEqual(harness.datagram(CLIENT, claim), []);
    assert.deepEqual(harness.drops(), { 'unusable-source': 1 });
    assert.equal(harness.service.stats().forwards[0]?.inUse, 0);
  });

  test('of another family than every upstream have none', () => {
    const harness = new Harness(rule([A], udp));
    assert.deepEqual(harness.datagram(CLIENT_6, 'x'), []);
    assert.deepEqual(harness.drops(), { 'unusable-source': 1 });
    assert.equal(harness.service.stats().forwards[0]?.inUse, 0);
  });

  test('are taken up with the port that they had, or not at all', () => {
    for (const [port, left] of [
      [40_000, {}],
      [40_001, { 'restore-failed': 1 }],
    ] as const) {
      const before = new Harness(rule([A], udp));
      before.session(CLIENT);
      const after = new Harness(rule([A], udp));
      after.service.restoreEntries(new KeptMirror(before.service).values, after.now);
      const opening = one(after.drain(), 'openPort');
      assert.deepEqual([opening.local, opening.towards], [{ ...endpoint(CLIENT), port: 40_000 }, endpoint(A)]);
      const opened = after.portOpened(opening.socket, true, port);
      assert.deepEqual(all(opened, 'closePort').length, port === 40_000 ? 0 : 1);
      assert.deepEqual(after.drops(), left);
    }
  });
});
