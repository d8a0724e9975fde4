import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpoint, goal, Harness, one, rule, types } from './harness.ts';

const udp = { transport: 'dgram', idle: 60_000 } as const;

test('forwards come and go; what did not change is not touched', () => {
  const kept = rule(['192.0.2.1:80']);
  const harness = new Harness(kept);
  const { stream, orders } = harness.open('198.51.100.1:1');
  const { stream: upstream } = one(orders, 'connect');
  harness.connected(upstream);
  assert.deepEqual(harness.update(kept, rule(['192.0.2.9:80'], { name: 'new' })), []);
  const socket = harness.ids.socket();
  harness.service.addListener(socket, 'new', endpoint('0.0.0.0:9000'), 0);
  assert.equal(goal(one(harness.open('198.51.100.1:2', socket).orders, 'connect')), '192.0.2.9:80');
  harness.service.removeListener(socket);
  assert.deepEqual(harness.update(kept), []);
  assert.equal(harness.service.stats().connections, 2, 'connections of a forward that is gone go on');
  assert.deepEqual(types(harness.closed(stream)), []);
  assert.throws(() => harness.service.addListener(socket, 'new', endpoint('0.0.0.0:9000'), 0), RangeError);
});

test('other upstreams: connections stay, sessions of those that went end', () => {
  const harness = new Harness(rule(['192.0.2.1:53', '192.0.2.2:53'], udp));
  const sessions = ['198.51.100.1:1', '198.51.100.1:2'].map((from) => harness.session(from));
  const gone = sessions.find(({ flow }) => flow.rewrite.remote.address === '192.0.2.1');
  const orders = harness.update(rule(['192.0.2.2:53', '192.0.2.3:53'], udp));
  assert.deepEqual(types(orders), ['removeFlow', 'closePort']);
  assert.equal(one(orders, 'closePort').socket, gone?.socket);
  assert.equal(harness.service.stats().forwards[0]?.sessions, 1);
});

test('a name that nobody uses any more is not asked for', () => {
  const harness = new Harness(rule(['app.example:80']), rule(['app.example:81'], { name: 'other' }));
  assert.deepEqual(types(harness.first), ['resolve'], 'one name, one question');
  harness.resolved('app.example', ['192.0.2.1'], 20_000);
  harness.update(rule(['app.example:80']));
  assert.deepEqual(types(harness.wait(20_000)), ['resolve']);
  harness.update(rule(['192.0.2.1:80']));
  assert.deepEqual(types(harness.wait(100_000)), []);
  assert.equal(harness.service.stats().held, 0);
});

test('new limits count from the next client on', () => {
  const harness = new Harness(rule(['192.0.2.1:80']));
  harness.open('198.51.100.1:1');
  harness.update(rule(['192.0.2.1:80'], { limits: { total: 1, perSource: 0, ratePerSource: 0 } }));
  assert.deepEqual(types(harness.open('198.51.100.1:2').orders), ['closeStream']);
  assert.equal(harness.service.stats().connections, 1);
});

test('removing a listener ends its sessions only', () => {
  const harness = new Harness(rule(['192.0.2.1:53'], udp));
  const other = harness.ids.socket();
  harness.service.addListener(other, 'web', endpoint('0.0.0.0:8001'), 1);
  harness.session('198.51.100.1:1');
  one(harness.datagram('198.51.100.1:1', 'x', other), 'openPort');
  harness.service.removeListener(other);
  assert.deepEqual(types(harness.drain()), ['closePort']);
  assert.equal(harness.service.stats().forwards[0]?.sessions, 1);
  harness.datagram('198.51.100.1:1', 'late', other);
  assert.equal(harness.drops()['unknown-socket'], 1);
});
