import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MAX_OPENINGS } from '../../../src/service/turn/opening.ts';
import { bound, codeOf, Harness, inUse, ofType, silent, testConfig } from './harness.ts';

const CLIENT = '203.0.113.9:4000';

describe('binding relayed ports', () => {
  test('a port in use is passed over for another one', () => {
    const harness = new Harness();
    const tried: number[] = [];
    harness.answer = (local, socket) => (tried.push(local.port) <= 3 ? inUse(local, socket) : bound(local, socket));
    const [relayed] = harness.udpClient(CLIENT).mustAllocate();
    assert.equal(tried.length, 4);
    assert.equal(relayed.port, tried[3]);
    assert.ok(tried.every((port, index) => port !== tried[index - 1]));
    assert.equal(harness.service.stats().held.freePorts, 199);
  });

  test('when every port is in use the search ends with 508, and nothing is left', () => {
    const harness = new Harness();
    harness.answer = inUse;
    assert.equal(codeOf(harness.udpClient(CLIENT).allocate()), 508);
    const tries = ofType(harness.orders, 'openPort').length;
    assert.ok(tries > 1 && tries < 32);
    assert.deepEqual(harness.service.stats().held, { entries: 0, deadlines: 0, openings: 0, freePorts: 200 });
  });

  for (const failure of ['no-descriptors', 'not-permitted', 'no-address', 'failed'] as const) {
    test(`${failure}: 508 at once, with a warning, and the service goes on`, () => {
      const harness = new Harness();
      harness.answer = () => ({ ok: false, failure, detail: 'test' });
      const client = harness.udpClient(CLIENT);
      assert.equal(codeOf(client.allocate()), 508);
      assert.equal(ofType(harness.orders, 'openPort').length, 1);
      const [warning] = ofType(harness.orders, 'event').filter(({ event }) => event.level === 'warn');
      assert.equal(warning?.event.fields.failure, failure);
      harness.answer = bound;
      assert.equal(codeOf(client.allocate()), 'success');
    });
  }

  test('a client that asks again and again writes one warning in 10 s, not one a request', () => {
    const harness = new Harness();
    harness.answer = () => ({ ok: false, failure: 'no-descriptors', detail: 'EMFILE' });
    const warnings = () => ofType(harness.orders, 'event').filter(({ event }) => event.level === 'warn').length;
    const client = harness.udpClient(CLIENT);
    for (let n = 0; n < 100; n++) assert.equal(codeOf(client.allocate()), 508);
    assert.equal(warnings(), 1);
    assert.equal(harness.drops('no-free-port'), 100);
    harness.pass(10_000);
    client.allocate();
    assert.equal(warnings(), 2);
  });

  test('when all ports are taken: 508; one that is freed can be had again', () => {
    const harness = new Harness(testConfig({ ports: { min: 50_000, max: 50_003 } }));
    const clients = [0, 1, 2, 3].map((index) => harness.udpClient(`203.0.113.9:${5000 + index}`));
    const ports = clients.map((client) => client.mustAllocate()[0].port);
    assert.deepEqual(ports.sort(), [50_000, 50_001, 50_002, 50_003]);
    assert.equal(codeOf(harness.udpClient(CLIENT).allocate()), 508);
    assert.equal(harness.drops('no-free-port'), 1);
    clients[2]?.refresh({ lifetime: 0 });
    assert.equal(codeOf(harness.udpClient(CLIENT).allocate()), 'success');
  });

  test('a port that is bound after its client has gone is closed', () => {
    const harness = new Harness();
    const client = harness.streamClient(CLIENT);
    harness.answer = silent;
    client.allocate();
    const [order] = ofType(harness.orders, 'openPort');
    assert.ok(order && 'stream' in client.reach);
    const { stream } = client.reach;
    assert.deepEqual(
      ofType(
        harness.run(() => harness.service.handleStreamClosed(stream, harness.now)),
        'closePort',
      ),
      [],
    );
    assert.equal(harness.service.stats().allocations, 0);
    assert.equal(harness.service.stats().held.freePorts, 199);
    const orders = harness.opened(order.socket, { ok: true, local: order.local });
    assert.deepEqual(orders, [{ type: 'closePort', socket: order.socket }]);
    assert.deepEqual(harness.service.stats().held, { entries: 0, deadlines: 0, openings: 0, freePorts: 200 });
  });

  test('a port that fails after its client has gone is forgotten', () => {
    const harness = new Harness();
    const client = harness.streamClient(CLIENT);
    harness.answer = silent;
    client.allocate();
    const [order] = ofType(harness.orders, 'openPort');
    assert.ok(order && 'stream' in client.reach);
    const { stream } = client.reach;
    harness.run(() => harness.service.handleStreamClosed(stream, harness.now));
    assert.deepEqual(harness.opened(order.socket, { ok: false, failure: 'in-use', detail: '' }), []);
    assert.equal(harness.service.stats().held.freePorts, 200);
  });

  test('an engine that does not answer costs 508 after 10 s', () => {
    const harness = new Harness();
    const client = harness.udpClient(CLIENT);
    harness.answer = silent;
    client.allocate();
    assert.equal(client.responseIn(harness.pass(9_999)), undefined);
    assert.equal(codeOf(client.responseIn(harness.pass(1))), 508);
    assert.equal(harness.service.stats().held.openings, 0);
  });

  test('an answer for a socket that nobody knows is ignored', () => {
    const harness = new Harness();
    const socket = harness.ids.socket();
    assert.deepEqual(harness.opened(socket, { ok: false, failure: 'failed', detail: '' }), []);
  });

  test('other requests wait for the answer: 437 until the port is bound', () => {
    const harness = new Harness();
    const client = harness.udpClient(CLIENT);
    harness.answer = silent;
    client.allocate();
    assert.equal(codeOf(client.refresh()), 437);
    assert.equal(harness.drops('allocation-missing'), 1);
  });

  test('openings are bounded: the next Allocate gets 508, and after one is settled success', () => {
    const harness = new Harness(testConfig({ ports: { min: 49_152, max: 65_535 } }));
    harness.answer = silent;
    for (let index = 0; index < MAX_OPENINGS; index++) {
      harness.udpClient(`203.0.${index >> 8}.${index & 255}:4000`).allocate();
    }
    const late = harness.udpClient('192.0.2.1:4000');
    assert.equal(codeOf(late.allocate()), 508);
    assert.equal(harness.drops('too-many-openings'), 1);
    harness.answer = bound;
    const [order] = ofType(harness.orders, 'openPort');
    assert.ok(order);
    harness.opened(order.socket, { ok: true, local: order.local });
    assert.equal(codeOf(late.allocate()), 'success');
  });
});
