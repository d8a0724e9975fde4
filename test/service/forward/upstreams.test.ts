import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StreamId } from '../../../src/net/ids.ts';
import { isSafeAnswer } from '../../../src/service/forward/upstream-filter.ts';
import { all, goal, Harness, one, rule, types } from './harness.ts';

const health = {
  interval: 10_000,
  timeout: 2000,
  rise: 2,
  fall: 2,
  request: new Uint8Array(0),
  reply: new Uint8Array(0),
};

test('a name is asked for, its clients wait for the first answer, and it is asked again at its TTL', () => {
  const harness = new Harness(rule(['app.example:80']));
  assert.deepEqual(types(harness.first), ['resolve']);
  assert.deepEqual(types(harness.open('198.51.100.1:1').orders), []);
  const answered = harness.resolved('app.example', ['192.0.2.1'], 20_000);
  assert.equal(goal(one(answered, 'connect')), '192.0.2.1:80');
  assert.deepEqual(types(harness.wait(19_999)), []);
  assert.deepEqual(types(harness.wait(1)), ['resolve']);
});

test('a change of address moves new clients and leaves the others where they are', () => {
  const harness = new Harness(rule(['app.example:80']));
  harness.resolved('app.example', ['192.0.2.1']);
  const before = one(harness.open('198.51.100.1:1').orders, 'connect');
  harness.connected(before.stream);
  assert.deepEqual(types(harness.resolved('app.example', ['192.0.2.2'])), []);
  assert.equal(goal(one(harness.open('198.51.100.1:2').orders, 'connect')), '192.0.2.2:80');
  assert.equal(harness.service.stats().connections, 2);
});

test('a name that fails keeps its last good answer, and is tried again', () => {
  const harness = new Harness(rule(['app.example:80']));
  harness.resolved('app.example', ['192.0.2.1']);
  const failed = harness.resolved('app.example', undefined);
  assert.deepEqual(
    failed.map((order) => (order.type === 'event' ? order.event.fields : order.type)),
    [{ name: 'app.example', detail: 'ENOTFOUND', lastGood: true }],
  );
  assert.equal(goal(one(harness.open('198.51.100.1:1').orders, 'connect')), '192.0.2.1:80');
  assert.deepEqual(types(harness.wait(10_000)), ['resolve']);
});

test('a name that never resolved marks its forward down; clients are not kept waiting', () => {
  const harness = new Harness(rule(['app.example:80']));
  const early = harness.open('198.51.100.1:1');
  assert.deepEqual(types(early.orders), []);
  assert.deepEqual(types(harness.resolved('app.example', undefined)), ['closeStream']);
  assert.deepEqual(types(harness.open('198.51.100.1:2').orders), ['closeStream']);
  const [state] = harness.service.stats().forwards;
  assert.equal(state?.down, true);
  const [upstream] = state?.upstreams ?? [];
  assert.deepEqual(
    { ...upstream, nextAt: (upstream?.nextAt ?? 0) - (upstream?.since ?? 0) },
    {
      name: 'app.example:80',
      address: undefined,
      up: false,
      checked: false,
      state: 'down',
      since: upstream?.since,
      reason: 'the name does not resolve (ENOTFOUND)',
      nextAt: 10_000,
      active: 0,
    },
  );
});

test('who waits for a name that is never answered gives up in time', () => {
  const harness = new Harness(rule(['app.example:80']));
  harness.open('198.51.100.1:1');
  assert.deepEqual(types(harness.wait(3000)), ['closeStream']);
});

test('names lead neither to this machine nor to metadata services', () => {
  const harness = new Harness(rule(['app.example:80']));
  harness.resolved('app.example', ['127.0.0.1', '169.254.169.254', '::ffff:127.0.0.1', 'fd00:ec2::254', '10.0.0.7']);
  assert.equal(goal(one(harness.open('198.51.100.1:1').orders, 'connect')), '10.0.0.7:80');
  assert.equal(harness.drops()['unsafe-address'], 4);
  for (const address of ['::1', '0.0.0.0', '64:ff9b::7f00:1', 'fe80::1', '224.0.0.1']) {
    assert.equal(isSafeAnswer('app.example', address), false, address);
  }
  assert.equal(isSafeAnswer('localhost', '127.0.0.1'), true);
  assert.equal(isSafeAnswer('notlocalhost', '127.0.0.1'), false);
  const literal = new Harness(rule(['127.0.0.1:80']));
  assert.equal(goal(one(literal.open('198.51.100.1:1').orders, 'connect')), '127.0.0.1:80');
});

test('an upstream without checks is unchecked; with them one is being checked until the first answer, which is enough either way', () => {
  const states = (harness: Harness) =>
    harness.service.stats().forwards[0]?.upstreams.map(({ state, up, checked }) => [state, up, checked]);
  assert.deepEqual(states(new Harness(rule(['192.0.2.1:80']))), [['unchecked', true, false]]);

  const harness = new Harness(rule(['192.0.2.1:80', '192.0.2.2:80'], { health: { ...health, fall: 3 } }));
  const checks = () => {
    const connects = all(harness.wait(0), 'connect');
    assert.deepEqual(connects.map(goal), ['192.0.2.1:80', '192.0.2.2:80']);
    return connects.map(({ stream }) => stream) as [StreamId, StreamId];
  };
  const checking = [
    ['checking', true, true],
    ['checking', true, true],
  ];
  const goals = () => [1, 2].map((n) => goal(one(harness.open(`198.51.100.1:${n}`).orders, 'connect'))).sort();
  assert.deepEqual(states(harness), checking);
  const [sound, dead] = checks();
  assert.deepEqual([states(harness), goals()], [checking, ['192.0.2.1:80', '192.0.2.2:80']]);
  harness.connected(sound);
  harness.failed(dead);
  assert.deepEqual(states(harness), [
    ['up', true, true],
    ['down', false, true],
  ]);
  assert.deepEqual(goals(), ['192.0.2.1:80', '192.0.2.1:80']);

  // What was never there need not come back twice.
  const again = all(harness.wait(10_000), 'connect').find((connect) => goal(connect) === '192.0.2.2:80');
  harness.connected(again?.stream ?? assert.fail());
  assert.equal(states(harness)?.[1]?.[0], 'up');

  harness.update(rule(['192.0.2.1:80', '192.0.2.2:80'], { health: { ...health, interval: 5000 } }));
  assert.deepEqual(states(harness), checking);
  checks();
});

test('health checks take an upstream out after so many failures, and bring it back', () => {
  const harness = new Harness(rule(['192.0.2.1:80', '192.0.2.2:80'], { health }));
  const check = (ok: readonly [boolean, boolean]) => {
    const connects = all(harness.wait(10_000), 'connect');
    assert.deepEqual(connects.map(goal).sort(), ['192.0.2.1:80', '192.0.2.2:80']);
    for (const connect of connects) {
      const good = goal(connect) === '192.0.2.1:80' ? ok[0] : ok[1];
      const orders = good ? harness.connected(connect.stream) : harness.failed(connect.stream);
      assert.ok(types(orders).includes('closeStream'));
    }
  };
  const goals = () => [1, 2, 3, 4].map((n) => goal(one(harness.open(`198.51.100.1:${n}`).orders, 'connect')));
  check([true, true]);
  check([true, false]);
  assert.ok(goals().includes('192.0.2.2:80'), 'one failure is none');
  check([true, false]);
  assert.deepEqual(new Set(goals()), new Set(['192.0.2.1:80']));
  check([true, true]);
  assert.deepEqual(new Set(goals()), new Set(['192.0.2.1:80']));
  check([true, true]);
  assert.ok(goals().includes('192.0.2.2:80'));
});

test('with every upstream down nobody is served, and the state says so', () => {
  const harness = new Harness(rule(['192.0.2.1:80'], { health: { ...health, fall: 1 } }));
  harness.failed(one(harness.wait(0), 'connect').stream);
  assert.deepEqual(types(harness.open('198.51.100.1:1').orders), ['closeStream']);
  assert.equal(harness.service.stats().forwards[0]?.down, true);
});

test('want of our own descriptors says nothing about an upstream, neither in a check nor for the next client', () => {
  const harness = new Harness(rule(['192.0.2.1:80', '192.0.2.2:80'], { health: { ...health, fall: 1 } }));
  for (const { stream } of all(harness.wait(0), 'connect')) harness.failed(stream, 'no-descriptors');
  const state = () => harness.service.stats().forwards[0]?.upstreams[0];
  assert.equal(state()?.state, 'checking');
  const { stream } = one(harness.open('198.51.100.1:1').orders, 'connect');
  harness.failed(stream, 'no-descriptors');
  assert.equal(state()?.reason, undefined);
  assert.equal(harness.drops()['connect-no-descriptors'], 1);
  assert.equal(all(harness.wait(10_000), 'connect').length, 2, 'checked again');
});

test('a UDP check sends and wants its reply, from the upstream itself', () => {
  const dns = { ...health, fall: 1, rise: 1, request: Buffer.from('ping'), reply: Buffer.from('po') };
  const harness = new Harness(rule(['192.0.2.1:53'], { transport: 'dgram', idle: 60_000, health: dns }));
  const begin = () => {
    const opening = one(harness.wait(10_000), 'openPort');
    const send = one(harness.portOpened(opening.socket), 'send');
    assert.equal(Buffer.from(send.packet).toString(), 'ping');
    return opening.socket;
  };
  const up = () => harness.service.stats().forwards[0]?.upstreams[0]?.up;
  const first = begin();
  harness.datagram('192.0.2.9:53', 'pong', first);
  harness.datagram('192.0.2.1:53', 'other', first);
  assert.deepEqual(types(harness.wait(2000)), ['closePort']);
  assert.equal(up(), false);
  const second = begin();
  assert.deepEqual(types(harness.datagram('192.0.2.1:53', 'pong', second)), ['closePort']);
  assert.equal(up(), true);
});
