import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrefix } from '../../../src/net/prefix.ts';
import type { ForwardRule } from '../../../src/service/forward/config.ts';
import { KeptMirror } from '../kept-mirror.ts';
import { seededRandom } from '../seeded.ts';
import { all, endpoint, Harness, one, rule, types } from './harness.ts';

const udp = { transport: 'dgram', idle: 60_000 } as const;
const CLIENT = '198.51.100.1:5000';
const A = '192.0.2.1:53';
const B = '192.0.2.2:53';

test('a session goes on with its upstream and its source port, whatever is chosen for others', () => {
  const before = new Harness(rule([A, B], udp));
  const first = before.session('198.51.100.9:1');
  const second = before.session(CLIENT);
  const upstream = one(second.orders, 'send').to;
  before.datagram(B, 'reply', second.socket);
  assert.deepEqual(upstream, endpoint(B));
  const { after, orders } = reborn(before, [rule([A, B], udp)]);
  const ports = all(orders, 'openPort');
  assert.deepEqual(
    ports.map(({ local }) => local),
    [40_000, 40_000].map((port) => ({ family: 4, address: '0.0.0.0', port })),
  );
  const [, port] = ports;
  assert.ok(port && first);
  assert.deepEqual(types(after.datagram(CLIENT, 'early')), [], 'waits for the port');
  const opened = after.portOpened(port.socket);
  assert.deepEqual(
    all(opened, 'send').map(({ from, to }) => [from, to]),
    [[port.socket, endpoint(B)]],
  );
  const flows = all(opened, 'addFlow').map(({ flow }) => [flow.direction, flow.rewrite.remote, flow.idle]);
  assert.deepEqual(flows, [
    ['to_peer', endpoint(B), 60_000],
    ['to_client', endpoint(CLIENT), 60_000],
  ]);
  assert.deepEqual(types(after.datagram(B, 'reply', port.socket)), ['send']);
});

test('one that nobody answered yet has little patience still', () => {
  const before = new Harness(rule([A], udp));
  before.session(CLIENT);
  const { after, orders } = reborn(before, [rule([A], udp)]);
  const opened = after.portOpened(one(orders, 'openPort').socket);
  assert.deepEqual(
    all(opened, 'addFlow').map(({ flow }) => [flow.direction, flow.idle]),
    [['to_peer', 30_000]],
  );
});

test('a port that is taken meanwhile ends its session alone, counted', () => {
  const before = new Harness(rule([A], udp));
  before.session(CLIENT);
  const { after, orders } = reborn(before, [rule([A], udp)]);
  const ended = after.portOpened(one(orders, 'openPort').socket, false);
  assert.deepEqual(types(ended), []);
  assert.deepEqual(after.drops(), { 'restore-failed': 1 });
  assert.equal(after.service.stats().held, 0);
  assert.equal(one(after.datagram(CLIENT, 'again'), 'openPort').local.port, 0);
});

for (const [what, rules] of Object.entries({
  'the rule is gone': [],
  'another rule has its listener': [rule([A], { ...udp, name: 'other' })],
  'the upstream is gone': [rule([B], udp)],
  'the client is denied': [rule([A], { ...udp, deny: [prefix('198.51.100.0/24')] })],
  'there is no room': [rule([A], { ...udp, limits: { total: 0, perSource: 0, ratePerSource: 0 } })],
} satisfies Record<string, ForwardRule[]>)) {
  test(`${what}: left out and counted`, () => {
    const before = new Harness(rule([A], udp));
    before.session(CLIENT);
    const { after, orders } = reborn(before, rules);
    assert.deepEqual(types(orders), []);
    assert.deepEqual(after.drops(), { 'restore-failed': 1 });
    assert.ok(after.service.stats().forwards.every(({ inUse, sessions }) => inUse === 0 && sessions === 0));
  });
}

test('a rate for new clients is none for those who were there', () => {
  const limits = { total: 100, perSource: 0, ratePerSource: 1 };
  const before = new Harness(rule([A], udp));
  for (let port = 1; port <= 10; port++) before.session(`198.51.100.1:${port}`);
  const { orders } = reborn(before, [rule([A], { ...udp, limits })]);
  assert.equal(all(orders, 'openPort').length, 10);
});

test('of a name: the session stays at its address, before the answer and after another one', () => {
  const named = rule(['vpn.example:53'], udp);
  const before = new Harness(named);
  before.resolved('vpn.example', ['192.0.2.7']);
  before.session(CLIENT);
  const { after, orders } = reborn(before, [named]);
  const { socket } = one(orders, 'openPort');
  assert.deepEqual(one(after.portOpened(socket), 'addFlow').flow.rewrite.remote, endpoint('192.0.2.7:53'));
  after.resolved('vpn.example', ['192.0.2.8']);
  assert.deepEqual(types(after.datagram('192.0.2.7:53', 'reply', socket)), ['send', 'addFlow', 'addFlow']);
  const other = one(after.datagram('198.51.100.2:1', 'x'), 'openPort');
  assert.deepEqual(one(after.portOpened(other.socket), 'send').to, endpoint('192.0.2.8:53'));
});

for (let seed = 1; seed <= 6; seed++) {
  test(`what is said to have changed is all that changed, seed ${seed}`, () => {
    const random = seededRandom(`kept ${seed}`);
    const below = (limit: number) => Buffer.from(random(4)).readUInt32BE(0) % limit;
    const rules = [rule([A, B], udp), rule([B], udp), rule([A], { ...udp, idle: 30_000 })];
    const harness = new Harness(rule([A, B], udp));
    const mirror = new KeptMirror(harness.service);
    const opening: number[] = [];
    for (let step = 0; step < 400; step++) {
      const from = `198.51.100.${below(6)}:1`;
      const choice = below(10);
      if (choice < 5) opening.push(...all(harness.datagram(from, 'x'), 'openPort').map(({ socket }) => socket));
      else if (choice < 8) {
        const socket = opening.splice(below(opening.length || 1), 1)[0];
        if (socket !== undefined) harness.portOpened(socket as never, below(4) !== 0);
        if (socket !== undefined) harness.datagram([A, B][below(2)] ?? A, 'reply', socket as never);
      } else if (choice === 8) harness.update(rules[below(rules.length)] ?? rule([A], udp));
      else mirror.check();
    }
    mirror.check();
    harness.update();
    mirror.check();
    assert.deepEqual(mirror.values, []);
    assert.ok(mirror.checks > 10);
  });
}

/** What a restart does: out through JSON, into a service of another process. */
function reborn(
  before: Harness,
  rules: readonly ForwardRule[],
): { after: Harness; orders: ReturnType<Harness['drain']> } {
  const { values } = new KeptMirror(before.service);
  const after = new Harness(...rules);
  after.service.restoreEntries(values, after.now);
  return { after, orders: after.drain() };
}

function prefix(text: string) {
  const parsed = parsePrefix(text);
  assert.ok(parsed);
  return parsed;
}
