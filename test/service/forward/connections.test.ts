import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrefix } from '../../../src/net/prefix.ts';
import { NOTHING } from '../../../src/service/forward/connection.ts';
import { endpoint, firstWords, goal, Harness, one, rule, types } from './harness.ts';

const prefixes = (...texts: string[]) => texts.flatMap((text) => parsePrefix(text) ?? []);

test('a client is held until an upstream is connected, with which he is joined', () => {
  const harness = new Harness(rule(['192.0.2.1:80'], { idle: 7000 }));
  const { stream, orders } = harness.open('198.51.100.1:5000');
  assert.deepEqual(types(orders), ['connect']);
  const connect = one(orders, 'connect');
  assert.equal(goal(connect), '192.0.2.1:80');
  assert.equal(connect.timeout, 3000);
  assert.deepEqual(connect.join, { with: stream, first: NOTHING, idle: 7000 });
  assert.deepEqual(harness.connected(connect.stream), []);
  assert.equal(harness.service.stats().connections, 1);
  assert.deepEqual(harness.closed(stream, 10), []);
  assert.equal(harness.service.stats().connections, 1, 'until the other has ended too');
  assert.deepEqual(harness.closed(connect.stream, 20), []);
  const { connections, held, forwards } = harness.service.stats();
  assert.deepEqual([connections, held], [0, 0]);
  assert.deepEqual(forwards[0]?.counts, { connected: 1, failed: 0, toUpstream: 10, toClient: 20 });
  assert.equal(forwards[0]?.inUse, 0);
});

test('a failed connect goes to the next upstream; when all failed the client ends', () => {
  const harness = new Harness(rule(['192.0.2.1:80', '192.0.2.2:80']));
  const { stream, orders } = harness.open('198.51.100.1:5000');
  const second = one(harness.failed(one(orders, 'connect').stream, 'timeout'), 'connect');
  assert.equal(goal(second), '192.0.2.2:80');
  assert.deepEqual(types(harness.failed(second.stream)), ['closeStream']);
  assert.deepEqual(harness.drops(), { 'connect-timeout': 1, 'connect-refused': 1, 'no-upstream': 1 });
  assert.equal(harness.service.stats().held, 0);
  assert.deepEqual(types(harness.closed(stream)), [], 'a late word about it means nothing');
});

test('who just failed is asked last, for a while', () => {
  const harness = new Harness(rule(['192.0.2.1:80', '192.0.2.2:80']));
  harness.failed(one(harness.open('198.51.100.1:1').orders, 'connect').stream);
  const asked = () => goal(one(harness.open('198.51.100.1:2').orders, 'connect'));
  assert.deepEqual([asked(), asked()], ['192.0.2.2:80', '192.0.2.2:80']);
  harness.wait(10_001);
  assert.deepEqual([asked(), asked()].sort(), ['192.0.2.1:80', '192.0.2.2:80']);
});

test('balancing: in turn, by least connections, by source', () => {
  const to = ['192.0.2.1:80', '192.0.2.2:80', '192.0.2.3:80'];
  const asked = (harness: Harness, from: string) => {
    const connect = one(harness.open(from).orders, 'connect');
    harness.connected(connect.stream);
    return { goal: goal(connect), stream: connect.stream };
  };
  const inTurn = new Harness(rule(to));
  assert.deepEqual(
    [1, 2, 3, 4].map((port) => asked(inTurn, `198.51.100.1:${port}`).goal),
    [...to, '192.0.2.1:80'],
  );

  const least = new Harness(rule(to, { balance: 'leastConnections' }));
  const taken = [1, 2, 3].map((port) => asked(least, `198.51.100.1:${port}`));
  assert.deepEqual(taken.map(({ goal }) => goal).sort(), to);
  const freed = taken[1];
  assert.ok(freed);
  // Both streams end; the client's id is that just before the upstream's.
  least.closed((freed.stream - 1) as typeof freed.stream);
  least.closed(freed.stream);
  assert.equal(asked(least, '198.51.100.1:9').goal, freed.goal);

  const bySource = new Harness(rule(to, { balance: 'sourceHash' }));
  const goals = Array.from({ length: 60 }, (_, n) => asked(bySource, `198.51.100.${n}:1`).goal);
  const again = Array.from({ length: 60 }, (_, n) => asked(bySource, `198.51.100.${n}:2`).goal);
  assert.deepEqual(again, goals);
  for (const one of to) assert.ok(goals.filter((goal) => goal === one).length > 8, one);
  const fewer = new Harness(rule(to.slice(0, 2), { balance: 'sourceHash' }));
  const moved = goals.filter((goal, n) => goal !== to[2] && asked(fewer, `198.51.100.${n}:1`).goal !== goal);
  assert.deepEqual(moved, [], 'only the clients of the upstream that went are moved');
});

test('allow and deny, and what each source may have', () => {
  const harness = new Harness(
    rule(['192.0.2.1:80'], {
      allow: prefixes('198.51.100.0/24', '2001:db8::/32'),
      deny: prefixes('198.51.100.66/32'),
      limits: { total: 5, perSource: 2, ratePerSource: 0 },
    }),
  );
  const served = (from: string) => types(harness.open(from).orders)[0] === 'connect';
  assert.deepEqual(['203.0.113.1:1', '198.51.100.66:1', '198.51.100.1:1', '[2001:db8::1]:1'].map(served), [
    false,
    false,
    true,
    true,
  ]);
  assert.deepEqual(['198.51.100.1:2', '198.51.100.1:3'].map(served), [true, false]);
  assert.deepEqual(['198.51.100.2:1', '198.51.100.3:1', '198.51.100.4:1'].map(served), [true, true, false]);
  assert.deepEqual(harness.drops(), { denied: 2, 'source-limit': 1, 'total-limit': 1 });
});

test('new connections a second of one source', () => {
  const harness = new Harness(rule(['192.0.2.1:80'], { limits: { total: 100, perSource: 0, ratePerSource: 2 } }));
  const served = () => types(harness.open('198.51.100.1:1').orders)[0] === 'connect';
  assert.deepEqual([served(), served(), served(), served(), served()], [true, true, true, true, false]);
  assert.equal(types(harness.open('198.51.100.2:1').orders)[0], 'connect', 'others are not concerned');
  harness.wait(500);
  assert.deepEqual([served(), served()], [true, false]);
});

test('PROXY in: the header names the client, what follows goes first, and a header goes out', () => {
  const harness = new Harness(
    rule(['192.0.2.1:80'], {
      proxyIn: prefixes('10.0.0.0/8'),
      proxyOut: 'v1',
      allow: prefixes('203.0.113.0/24'),
    }),
  );
  const { stream, orders } = harness.open('10.0.0.1:5000');
  assert.deepEqual(orders, [{ type: 'read', stream }]);
  assert.deepEqual(harness.data(stream, Buffer.from('PROXY TCP4 203.0.1')), [{ type: 'read', stream }]);
  const connect = one(harness.data(stream, Buffer.from('13.9 192.0.2.5 4000 443\r\nGET /')), 'connect');
  assert.equal(firstWords(connect).toString(), 'PROXY TCP4 203.0.113.9 192.0.2.5 4000 443\r\nGET /');
  assert.deepEqual(types(harness.open('203.0.113.8:1').orders), ['connect'], 'others come without');
});

test('PROXY in: garbage, silence and strangers end', () => {
  const harness = new Harness(
    rule(['192.0.2.1:80'], { proxyIn: prefixes('10.0.0.0/8'), deny: prefixes('203.0.113.9/32') }),
  );
  const first = harness.open('10.0.0.1:1').stream;
  assert.deepEqual(types(harness.data(first, Buffer.from('GET / HTTP/1.1'))), ['closeStream']);
  harness.open('10.0.0.1:2');
  assert.deepEqual(types(harness.wait(5000)), ['closeStream']);
  const third = harness.open('10.0.0.1:3').stream;
  const header = Buffer.from('PROXY TCP4 203.0.113.9 192.0.2.5 4000 443\r\n');
  assert.deepEqual(types(harness.data(third, header)), ['closeStream']);
  const fourth = harness.open('10.0.0.1:4').stream;
  assert.deepEqual(types(harness.closed(fourth)), []);
  assert.deepEqual(harness.drops(), { 'no-proxy-header': 1, 'header-timeout': 1, denied: 1 });
  assert.equal(harness.service.stats().forwards[0]?.inUse, 0);
  assert.equal(harness.service.stats().held, 0);
});

test('without a header that came in, the header that goes out names who connected, and where', () => {
  const harness = new Harness(rule(['192.0.2.1:80'], { proxyOut: 'v2' }));
  const connect = one(harness.open('198.51.100.7:4321').orders, 'connect');
  assert.equal(
    firstWords(connect).toString('hex'),
    `0d0a0d0a000d0a515549540a2111000c${'c6336407'}${'c0000250'}${'10e1'}${'1f40'}`,
  );
});

test('ports of a range go side by side; a single port takes all', () => {
  const ports = { min: 9000, max: 9009 };
  const upstreams = [{ kind: 'address', family: 4, address: '192.0.2.1', ports } as const];
  const harness = new Harness(rule([], { upstreams }));
  const third = harness.ids.socket();
  harness.service.addListener(third, 'web', endpoint('0.0.0.0:8003'), 3);
  assert.equal(goal(one(harness.open('198.51.100.7:1', third).orders, 'connect')), '192.0.2.1:9003');
  const single = new Harness(rule(['192.0.2.1:80', '/run/app.sock']));
  single.service.addListener(third, 'web', endpoint('0.0.0.0:8003'), 3);
  const goals = [1, 2].map((port) => goal(one(single.open(`198.51.100.7:${port}`, third).orders, 'connect')));
  assert.deepEqual(goals, ['192.0.2.1:80', '/run/app.sock']);
});

test('draining: nobody new, everybody else goes on', () => {
  const harness = new Harness(rule(['192.0.2.1:80']));
  const { stream, orders } = harness.open('198.51.100.1:1');
  const { stream: upstream } = one(orders, 'connect');
  harness.connected(upstream);
  harness.service.drain(harness.now);
  assert.deepEqual(types(harness.open('198.51.100.1:2').orders), ['closeStream']);
  assert.equal(harness.service.clientsLeft, 1);
  harness.closed(stream);
  harness.closed(upstream);
  assert.equal(harness.service.clientsLeft, 0);
});

test('a drain that is undone: whoever comes is served, and nobody is cut off at its end', () => {
  const harness = new Harness(rule(['192.0.2.1:80'], { drain: 5000 }));
  harness.connected(one(harness.open('198.51.100.1:1').orders, 'connect').stream);
  harness.service.drain(harness.now);
  harness.service.resume(harness.now);
  assert.deepEqual(types(harness.wait(5000)), []);
  assert.equal(goal(one(harness.open('198.51.100.1:2').orders, 'connect')), '192.0.2.1:80');
});

test('who is still there when the time to drain is over is cut off', () => {
  const harness = new Harness(rule(['192.0.2.1:80'], { drain: 5000 }));
  const { stream, orders } = harness.open('198.51.100.1:1');
  const { stream: upstream } = one(orders, 'connect');
  harness.connected(upstream);
  harness.service.drain(harness.now);
  assert.deepEqual(types(harness.wait(4999)), []);
  assert.deepEqual(harness.wait(1), [
    { type: 'closeStream', stream },
    { type: 'closeStream', stream: upstream },
  ]);
  assert.deepEqual([harness.service.clientsLeft, harness.service.stats().held], [0, 0]);
});
