import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrefix } from '../../../src/net/prefix.ts';
import { decodeProxyHeader } from '../../../src/wire/proxy-protocol/codec.ts';
import { encodeProxyV2 } from '../../../src/wire/proxy-protocol/v2.ts';
import { all, endpoint, Harness, LOCAL, one, rule, types } from './harness.ts';

const udp = { transport: 'dgram', idle: 60_000 } as const;
const CLIENT = '198.51.100.1:5000';
const UPSTREAM = '192.0.2.1:53';
const text = (packet: Uint8Array) => Buffer.from(packet).toString();

test('each client has a port of his own, and flows carry him both ways', () => {
  const harness = new Harness(rule([UPSTREAM], udp));
  const opening = one(harness.datagram(CLIENT, 'one'), 'openPort');
  assert.deepEqual(opening.local, { family: 4, address: '0.0.0.0', port: 0 });
  assert.deepEqual(types(harness.datagram(CLIENT, 'two')), []);
  const opened = harness.portOpened(opening.socket);
  assert.deepEqual(
    all(opened, 'send').map(({ from, to, packet }) => [from, to, text(packet)]),
    [
      [opening.socket, endpoint(UPSTREAM), 'one'],
      [opening.socket, endpoint(UPSTREAM), 'two'],
    ],
  );
  const up = one(opened, 'addFlow').flow;
  assert.deepEqual(up.match, {
    socket: harness.listener,
    local: LOCAL,
    remote: endpoint(CLIENT),
    discriminator: { kind: 'none' },
  });
  assert.deepEqual([up.rewrite.socket, up.rewrite.remote, up.idle], [opening.socket, endpoint(UPSTREAM), 30_000]);

  const replied = harness.datagram(UPSTREAM, 'reply', opening.socket);
  const reply = one(replied, 'send');
  assert.deepEqual([reply.from, reply.to, text(reply.packet)], [harness.listener, endpoint(CLIENT), 'reply']);
  const [down, renewed] = all(replied, 'addFlow').map(({ flow }) => flow);
  assert.deepEqual([down?.match.socket, down?.match.remote], [opening.socket, endpoint(UPSTREAM)]);
  assert.deepEqual([down?.rewrite.socket, down?.rewrite.remote], [harness.listener, endpoint(CLIENT)]);
  assert.deepEqual([renewed?.match, renewed?.idle], [up.match, 60_000], 'answered: with more patience');
  assert.notEqual(one(harness.datagram('198.51.100.1:5001', 'x'), 'openPort').socket, opening.socket);
});

test('nobody but the upstream is listened to', () => {
  const harness = new Harness(rule([UPSTREAM], udp));
  const { socket } = harness.session(CLIENT);
  for (const other of ['192.0.2.1:54', '192.0.2.2:53', CLIENT]) {
    assert.deepEqual(harness.datagram(other, 'forged', socket), []);
  }
  assert.deepEqual(harness.drops(), { 'foreign-reply': 3 });
});

test('a session ends when both ways are silent; one busy way keeps it', () => {
  const harness = new Harness(rule([UPSTREAM], udp));
  const { socket } = harness.session(CLIENT);
  const [down, up] = all(harness.datagram(UPSTREAM, 'reply', socket), 'addFlow').map(({ flow }) => flow.id);
  assert.ok(up !== undefined && down !== undefined);
  harness.service.handleFlowIdle(up, harness.now);
  assert.deepEqual(harness.drain(), []);
  const again = harness.datagram(CLIENT, 'back');
  assert.equal(text(one(again, 'send').packet), 'back');
  const newer = one(again, 'addFlow').flow.id;
  harness.service.handleFlowIdle(newer, harness.now);
  harness.service.handleFlowIdle(down, harness.now);
  assert.deepEqual(types(harness.drain()), ['closePort']);
  assert.equal(harness.service.stats().held, 0);
  assert.equal(harness.service.stats().forwards[0]?.inUse, 0);
});

test('flows go before the port that they rest on', () => {
  const harness = new Harness(rule([UPSTREAM], udp));
  const { socket } = harness.session(CLIENT);
  harness.datagram(UPSTREAM, 'reply', socket);
  assert.deepEqual(types(harness.update()), ['removeFlow', 'removeFlow', 'closePort']);
});

test('caps: sessions, those of one source, datagrams that wait', () => {
  const harness = new Harness(rule([UPSTREAM], { ...udp, limits: { total: 2, perSource: 1, ratePerSource: 0 } }));
  const opened = (from: string) => types(harness.datagram(from, 'x')).includes('openPort');
  assert.deepEqual(['198.51.100.1:1', '198.51.100.1:2', '198.51.100.2:1', '198.51.100.3:1'].map(opened), [
    true,
    false,
    true,
    false,
  ]);
  for (let n = 0; n < 1028; n++) harness.datagram('198.51.100.1:1', 'more');
  assert.deepEqual(harness.drops(), { 'source-limit': 1, 'total-limit': 1, 'too-many-waiting': 5 });
  assert.deepEqual(types(harness.datagram('198.51.100.9:0', 'x')), []);
  assert.equal(harness.drops()['source-port-zero'], 1);
});

test('what waits is bounded in bytes over all sessions, and is let go with its session', () => {
  const harness = new Harness(rule([UPSTREAM], udp));
  const opening = one(harness.datagram(CLIENT, 'x'), 'openPort');
  const large = new Uint8Array(64_000);
  for (let n = 0; n < 131; n++) harness.datagram(CLIENT, large);
  assert.deepEqual(harness.drops(), {});
  harness.datagram(CLIENT, large);
  assert.deepEqual(harness.datagram('198.51.100.9:1', large), [], 'nobody new either');
  assert.deepEqual(harness.drops(), { 'too-many-waiting': 2 });
  harness.portOpened(opening.socket, false);
  assert.deepEqual(types(harness.datagram('198.51.100.9:1', large)), ['openPort']);
  assert.equal(all(harness.portOpened(one(harness.datagram(CLIENT, large), 'openPort').socket), 'send').length, 1);
});

test('a port that cannot be had ends the session, and leaves nothing', () => {
  const harness = new Harness(rule([UPSTREAM], udp));
  const { socket } = one(harness.datagram(CLIENT, 'x'), 'openPort');
  assert.deepEqual(types(harness.portOpened(socket, false)), []);
  assert.deepEqual([harness.service.stats().held, harness.drops()['port-not-opened']], [0, 1]);
  assert.deepEqual(types(harness.datagram(CLIENT, 'again')), ['openPort']);
});

test('ports that cannot be had are told of now and then, and each is counted', () => {
  const harness = new Harness(rule([UPSTREAM], udp));
  const told = () =>
    all(harness.portOpened(one(harness.datagram(CLIENT, 'x'), 'openPort').socket, false), 'event').length;
  assert.deepEqual([told(), told(), told()], [1, 0, 0]);
  harness.wait(10_000);
  assert.equal(told(), 1);
  assert.equal(harness.drops()['port-not-opened'], 4);
});

test('PROXY v2 stands in the first datagram, of what comes in and of what goes out', () => {
  const balancer = parsePrefix('10.0.0.0/8');
  assert.ok(balancer);
  const harness = new Harness(rule([UPSTREAM], { ...udp, proxyIn: [balancer], proxyOut: 'v2' }));
  const header = encodeProxyV2({
    command: 'proxy',
    addresses: { transport: 'dgram', source: endpoint(CLIENT), destination: endpoint('192.0.2.80:53') },
    tlvs: [{ type: 0xe0, value: Uint8Array.of(1, 2) }],
  });
  const first = Buffer.concat([header, Buffer.from('query')]);
  const { socket } = one(harness.datagram('10.0.0.1:99', first), 'openPort');
  harness.datagram('10.0.0.1:99', 'second');
  const sent = all(harness.portOpened(socket), 'send').map(({ packet }) => text(packet));
  assert.deepEqual(sent, [first.toString(), 'second']);
  assert.deepEqual(harness.datagram('10.0.0.1:100', 'no header'), []);
  assert.equal(harness.drops()['no-proxy-header'], 1);
});

test('PROXY v2 names the address that the client asked, where the listener has all and somebody knows', () => {
  const harness = new Harness(rule([UPSTREAM], { ...udp, proxyOut: 'v2' }));
  harness.asked.set(endpoint(CLIENT).address, '192.0.2.80');
  const destinationFor = (client: string) => {
    const { socket } = one(harness.datagram(client, 'query'), 'openPort');
    const decoded = decodeProxyHeader(one(harness.portOpened(socket), 'send').packet);
    return decoded.ok ? decoded.header.addresses?.destination : undefined;
  };
  assert.deepEqual(destinationFor(CLIENT), { ...LOCAL, address: '192.0.2.80' });
  assert.deepEqual(destinationFor('203.0.113.200:1'), LOCAL);
});

test('an upstream that is found down loses its sessions, so that they go elsewhere', () => {
  const health = { interval: 1000, timeout: 100, rise: 1, fall: 1, request: Buffer.from('?'), reply: Buffer.of() };
  const harness = new Harness(rule([UPSTREAM, '192.0.2.2:53'], { ...udp, health, balance: 'sourceHash' }));
  for (const { socket } of all(harness.wait(0), 'openPort')) harness.portOpened(socket);
  const opening = one(harness.datagram(CLIENT, 'x'), 'openPort').socket;
  const upstream = one(harness.portOpened(opening), 'send').to;
  const checks = harness.wait(100);
  assert.ok(all(checks, 'closePort').some(({ socket }) => socket === opening));
  assert.deepEqual(harness.service.stats().forwards[0]?.sessions, 0);
  assert.ok(upstream);
});
