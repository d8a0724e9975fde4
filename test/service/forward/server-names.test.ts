import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrefix } from '../../../src/net/prefix.ts';
import { ServerNames } from '../../../src/service/forward/server-names.ts';
import { UNRECOGNIZED_NAME } from '../../../src/wire/tls/alert.ts';
import { hello } from '../../wire/tls/hello.ts';
import { firstWords, Harness, one, rule, upstream } from './harness.ts';

const [A, B, BELOW, DEEP, OTHER] = ['192.0.2.1:1', '192.0.2.2:1', '192.0.2.3:1', '192.0.2.4:1', '192.0.2.5:1'] as const;
const names = new Map([
  ['a.example', [A, B].map(upstream)],
  ['*.example', [upstream(BELOW)]],
  ['*.deep.example', [upstream(DEEP)]],
]);
const tls = (other?: string) =>
  rule([A, B, BELOW, DEEP, OTHER], {
    serverNames: new ServerNames(names, other === undefined ? undefined : [upstream(other)]),
  });

for (const [name, last] of [
  ['a.example', 1],
  ['b.example', 3],
  ['x.y.example', 3],
  ['z.deep.example', 4],
  ['deep.example', 3],
  ['example', 5],
  ['elsewhere.test', 5],
  [undefined, 5],
] as const) {
  test(`${name ?? 'no name'} leads to 192.0.2.${last}, with every byte of the greeting in front`, () => {
    const rig = new Harness(tls(OTHER));
    const { stream, orders } = rig.open('198.51.100.1:5000');
    assert.deepEqual(orders, [{ type: 'read', stream }]);
    const bytes = hello(name === undefined ? {} : { name });
    assert.deepEqual(rig.data(stream, bytes.subarray(0, 20)), [{ type: 'read', stream }]);
    const connect = one(rig.data(stream, bytes.subarray(20)), 'connect');
    assert.equal('address' in connect.to && connect.to.address, `192.0.2.${last}`);
    assert.equal(connect.join?.with, stream);
    assert.deepEqual(firstWords(connect), bytes);
  });
}

test('a name that leads nowhere is told so in an alert, and counted', () => {
  const rig = new Harness(tls());
  const { stream } = rig.open('198.51.100.1:5000');
  const orders = rig.data(stream, hello({ name: 'elsewhere.test' }));
  assert.deepEqual(
    orders.filter(({ type }) => type !== 'event'),
    [
      { type: 'write', stream, packet: UNRECOGNIZED_NAME, droppable: false },
      { type: 'closeStream', stream },
    ],
  );
  assert.deepEqual(rig.drops(), { 'unknown-server-name': 1 });
  assert.equal(rig.service.stats().forwards[0]?.inUse, 0);
});

test('failover stays among the upstreams of the name', () => {
  const rig = new Harness(tls(OTHER));
  const { stream } = rig.open('198.51.100.1:5000');
  const first = one(rig.data(stream, hello({ name: 'a.example' })), 'connect');
  const second = one(rig.failed(first.stream), 'connect');
  assert.deepEqual(
    [first, second].map(({ to }) => 'address' in to && to.address),
    ['192.0.2.1', '192.0.2.2'],
  );
  assert.ok(rig.failed(second.stream).some(({ type }) => type === 'closeStream'));
  assert.equal(rig.drops()['no-upstream'], 1);
});

for (const [reason, bytes] of [
  ['not-tls', Buffer.from('SSH-2.0-x\r\n')],
  ['malformed-client-hello', Buffer.from([22, 3, 1, 0, 0])],
  ['oversized-client-hello', Buffer.from([22, 3, 1, 1, 0, 1, 0xff, 0, 0])],
] as const) {
  test(`${reason}: refused`, () => {
    const rig = new Harness(tls(OTHER));
    const { stream } = rig.open('198.51.100.1:5000');
    assert.ok(rig.data(stream, bytes).some(({ type }) => type === 'closeStream'));
    assert.deepEqual(rig.drops(), { [reason]: 1 });
  });
}

test('who says nothing is sent away after 5 s, and crumbs do not give him longer', () => {
  const rig = new Harness(tls(OTHER));
  const { stream } = rig.open('198.51.100.1:5000');
  rig.wait(4000);
  assert.deepEqual(rig.data(stream, hello({ name: 'a.example' }).subarray(0, 3)), [{ type: 'read', stream }]);
  assert.ok(rig.wait(1000).some(({ type }) => type === 'closeStream'));
  assert.deepEqual(rig.drops(), { 'hello-timeout': 1 });
  assert.equal(rig.service.stats().held, 0);
});

test('a PROXY header may come before, in the same chunk', () => {
  const rig = new Harness({ ...tls(), proxyIn: [parsePrefix('198.51.100.0/24') ?? assert.fail()] });
  const { stream } = rig.open('198.51.100.1:5000');
  const bytes = hello({ name: 'b.example' });
  const orders = rig.data(stream, Buffer.concat([Buffer.from('PROXY TCP4 203.0.113.9 192.0.2.80 1 2\r\n'), bytes]));
  const connect = one(orders, 'connect');
  assert.equal('address' in connect.to && connect.to.address, '192.0.2.3');
  assert.deepEqual(firstWords(connect), bytes);
});
