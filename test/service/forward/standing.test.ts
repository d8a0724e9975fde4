import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parsePrefix } from '../../../src/net/prefix.ts';
import type { StandingDecision, StandingRefusal } from '../../../src/net/standing.ts';
import { UNIX_ENDPOINT } from '../../../src/net/stream-target.ts';
import type { ForwardRule } from '../../../src/service/forward/config.ts';
import { ServerNames } from '../../../src/service/forward/server-names.ts';
import { all, endpoint, goal, Harness, LOCAL, one, rule, types, upstream } from './harness.ts';

const [A, B] = ['192.0.2.1:80', '192.0.2.2:80'];
const HEALTH = {
  interval: 5000,
  timeout: 1000,
  rise: 1,
  fall: 1,
  request: new Uint8Array(0),
  reply: new Uint8Array(0),
};

describe('what an engine may do without asking', () => {
  test('after the first client: what that one got, and the half of the places', () => {
    const keepAlive = { idle: 1000, interval: 1000, count: 3 };
    const harness = new Harness(rule([A, B], { idle: 7000, keepAlive }));
    assert.equal(harness.standing, undefined);
    harness.open('198.51.100.1:1');
    assert.deepEqual(harness.standing, {
      // The first client went to A.
      to: [
        { tag: 2, place: endpoint(B) },
        { tag: 1, place: endpoint(A) },
      ],
      timeout: 3000,
      keepAlive,
      idle: 7000,
      most: 500,
    });
  });

  test('a unix socket; of a range, the port that goes with the listener', () => {
    const unix = new Harness(rule(['/run/web']));
    unix.open('198.51.100.1:1');
    assert.deepEqual(places(unix.standing), ['/run/web']);
    const ports = { min: 9000, max: 9009 };
    const range = new Harness(rule([], { upstreams: [{ kind: 'address', family: 4, address: '192.0.2.1', ports }] }));
    const other = range.ids.socket();
    range.service.addListener(other, 'web', LOCAL, 3);
    range.open('198.51.100.1:1', other);
    assert.deepEqual(places(range.standing), ['192.0.2.1:9003']);
    assert.equal(range.standing?.most, 250, 'two listeners share');
  });

  const prefixes = (text: string) => [parsePrefix(text) ?? assert.fail()];
  const asked: readonly (readonly [string, Partial<ForwardRule>, (readonly string[])?])[] = [
    ['a header of clients', { proxyIn: prefixes('198.51.100.0/24') }],
    ['a header for upstreams', { proxyOut: 'v2' }],
    ['who may come', { allow: prefixes('198.51.100.0/24') }],
    ['who may not', { deny: prefixes('203.0.113.0/24') }],
    ['how many of one source', { limits: { total: 1000, perSource: 5, ratePerSource: 0 } }],
    ['how fast', { limits: { total: 1000, perSource: 0, ratePerSource: 5 } }],
    ['so few that each counts', { limits: { total: 1, perSource: 0, ratePerSource: 0 } }],
    ['the name that is asked for', { serverNames: new ServerNames(new Map(), [upstream(A)]) }],
    ['who has least', { balance: 'leastConnections' }, [A, B]],
    ['where a source belongs', { balance: 'sourceHash' }, [A, B]],
  ];
  for (const [what, parts, to = [A]] of asked) {
    test(`it is asked for each client: ${what}`, () => {
      const harness = new Harness(rule(to, parts));
      harness.open('198.51.100.1:1');
      assert.equal(harness.standing, undefined);
    });
  }

  test('balance is no matter where there is nothing to choose', () => {
    for (const balance of ['leastConnections', 'sourceHash'] as const) {
      assert.deepEqual(places(standing(rule([A], { balance })).standing), [A]);
    }
  });

  const changes: readonly (readonly [string, (harness: Harness) => void, readonly string[]])[] = [
    ['a block', (harness) => harness.block('203.0.113.1/32'), []],
    ['a drain', (harness) => drain(harness), []],
    ['a drain that was undone', (harness) => undoneDrain(harness), [A]],
    ['a rule with a question', (harness) => harness.update(rule([A], { proxyOut: 'v1' })), []],
    ['another upstream', (harness) => harness.update(rule([B])), [B]],
    ['one more upstream', (harness) => harness.update(rule([A, B])), [A, B]],
    ['nothing', (harness) => harness.update(rule([A])), [A]],
  ];
  for (const [what, change, wanted] of changes) {
    test(`it stands until something changes: ${what}`, () => {
      const harness = standing(rule([A]));
      change(harness);
      assert.deepEqual(places(harness.standing), wanted);
    });
  }

  test('names lead elsewhere, checks fail', () => {
    const harness = new Harness(rule(['web.example:80'], { health: HEALTH }));
    harness.resolved('web.example', ['192.0.2.7']);
    harness.open('198.51.100.1:1');
    assert.deepEqual(places(harness.standing), ['192.0.2.7:80']);
    const check = one(harness.resolved('web.example', ['192.0.2.8']).concat(harness.wait(0)), 'connect');
    assert.deepEqual(places(harness.standing), ['192.0.2.8:80']);
    harness.failed(check.stream);
    assert.equal(harness.standing, undefined, 'it is down');
  });

  test('a check that is not answered in time', () => {
    const harness = new Harness(rule([A], { health: HEALTH }));
    one(harness.wait(0), 'connect');
    harness.open('198.51.100.1:1');
    assert.deepEqual(places(harness.standing), [A]);
    harness.wait(2 * HEALTH.timeout);
    assert.equal(harness.standing, undefined);
  });

  test('of many listeners none is looked at because of a stranger, unless it matters', () => {
    const ports = { min: 9000, max: 9999 };
    const upstreams = [{ kind: 'address', family: 4, address: '192.0.2.1', ports }] as const;
    const limits = { total: 10_000, perSource: 0, ratePerSource: 0 };
    const harness = new Harness(rule([], { upstreams, limits }));
    const listeners = Array.from({ length: 1000 }, () => harness.ids.socket());
    let looks = 0;
    for (const [offset, socket] of listeners.entries()) {
      harness.service.addListener(socket, 'web', LOCAL, offset);
      harness.service.handleStreamOpened(harness.ids.stream(), socket, endpoint(A), harness.now, LOCAL);
      harness.closed(one(harness.drain(), 'connect').join?.with ?? assert.fail());
    }
    Object.defineProperty(harness.blocks, 'size', { get: () => looks++ && 0 });
    pair(harness);
    const refused = { tag: 1, failure: 'refused', detail: 'ECONNREFUSED' } as const;
    const stream = harness.ids.stream();
    harness.service.handleStreamOpened(stream, listeners[1] ?? assert.fail(), endpoint(A), harness.now, LOCAL, refused);
    assert.ok(looks < 10, `${looks}`);
  });

  test('a client whom the engine could not connect goes to the next, and everybody is looked at for a while', () => {
    const harness = standing(rule([A, B]));
    const stream = failing(harness, { tag: 1, failure: 'refused', detail: 'ECONNREFUSED' });
    const connect = one(harness.drain(), 'connect');
    assert.equal(goal(connect), B);
    assert.equal(connect.join?.with, stream);
    assert.equal(harness.standing, undefined);
    assert.deepEqual(harness.drops(), { 'connect-refused': 1 });
    assert.equal(harness.service.stats().forwards[0]?.counts.failed, 1);
    harness.wait(10_001);
    harness.open('198.51.100.9:10');
    assert.deepEqual(places(harness.standing), [A, B]);
  });

  test('where there is no other upstream he ends, and the decision stands', () => {
    const harness = standing(rule([A]));
    failing(harness, { tag: 1, failure: 'timeout', detail: 'ETIMEDOUT' });
    assert.deepEqual(types(harness.drain()), ['closeStream']);
    assert.deepEqual(places(harness.standing), [A]);
    assert.match(harness.service.stats().forwards[0]?.upstreams[0]?.reason ?? '', /timeout/);
  });
});

describe('whom the engine served', () => {
  test('is a client like others: recorded, counted, ended', () => {
    const harness = standing(rule([A]));
    const { client, upstream } = pair(harness);
    harness.streamBytes.set(client, 5);
    const [record, ...others] = [...harness.service.clients()].filter(({ endpoint: { port } }) => port === 7000);
    assert.deepEqual(others, []);
    assert.deepEqual([record?.endpoint, record?.via, record?.sent.bytes], [endpoint('198.51.100.7:7000'), [A], 5]);
    const before = harness.service.stats();
    assert.deepEqual([before.connections, before.forwards[0]?.inUse, before.forwards[0]?.counts.connected], [2, 2, 1]);
    harness.closed(client, 10);
    assert.equal(harness.service.stats().connections, 2);
    harness.closed(upstream, 20);
    const { connections, forwards } = harness.service.stats();
    assert.deepEqual([connections, forwards[0]?.inUse], [1, 1]);
    assert.deepEqual(forwards[0]?.counts, { connected: 1, failed: 0, toUpstream: 10, toClient: 20 });
  });

  test('and has left already is counted', () => {
    const harness = standing(rule([A]));
    harness.service.handleStandingTotals(
      harness.listener,
      { connections: 3, toUpstream: 30, toClient: 60 },
      harness.now,
    );
    assert.deepEqual(harness.drain(), []);
    assert.deepEqual(harness.service.stats().forwards[0]?.counts, {
      connected: 3,
      failed: 0,
      toUpstream: 30,
      toClient: 60,
    });
  });

  test('has his place: the rest is given one by one, and none twice', () => {
    const harness = standing(rule([A], { limits: { total: 4, perSource: 0, ratePerSource: 0 } }));
    assert.equal(harness.standing?.most, 2);
    const pairs = [pair(harness), pair(harness)];
    assert.equal(harness.standing, undefined, 'more than half are there');
    assert.deepEqual(types(harness.open('198.51.100.1:2').orders), ['connect']);
    assert.deepEqual(types(harness.open('198.51.100.1:3').orders), ['closeStream']);
    assert.deepEqual(harness.drops(), { 'total-limit': 1 });
    for (const { client, upstream } of pairs) for (const stream of [client, upstream]) harness.closed(stream);
    harness.open('198.51.100.1:4');
    assert.equal(harness.standing, undefined, 'three are there');
  });

  test('is cut when others have taken all places while he was being connected', () => {
    const harness = standing(rule([A], { limits: { total: 4, perSource: 0, ratePerSource: 0 } }));
    for (let n = 2; n <= 4; n++) assert.deepEqual(types(harness.open(`198.51.100.1:${n}`).orders), ['connect']);
    assert.deepEqual(types(pair(harness).orders), ['closeStream', 'closeStream']);
    assert.deepEqual(harness.drops(), { 'total-limit': 1 });
    assert.equal(harness.service.stats().forwards[0]?.inUse, 4);
  });

  test('through a unix socket has no address that could be blocked', () => {
    const harness = standing(rule([A]));
    const socket = harness.ids.socket();
    harness.service.addListener(socket, 'web', UNIX_ENDPOINT, 0);
    harness.block('127.0.0.0/8');
    const [client, upstream] = [harness.ids.stream(), harness.ids.stream()];
    const ends = { from: UNIX_ENDPOINT, local: UNIX_ENDPOINT };
    harness.service.handleStandingPair({ at: socket, client, upstream, ...ends, tag: 1 }, harness.now);
    assert.deepEqual(harness.drain(), []);
    assert.equal(harness.service.stats().connections, 2);
  });

  test('is cut when he was blocked meanwhile', () => {
    const harness = standing(rule([A]));
    harness.block('198.51.100.7/32');
    const { client, upstream, orders } = pair(harness);
    assert.deepEqual(
      all(orders, 'closeStream').map(({ stream }) => stream),
      [client, upstream],
    );
    assert.deepEqual(harness.drops(), { blocked: 1 });
    assert.equal(harness.service.stats().connections, 1);
  });

  test('stays in a drain as long as others, and no longer', () => {
    const harness = standing(rule([A], { drain: 1000 }));
    drain(harness);
    const { client } = pair(harness);
    assert.equal(harness.service.clientsLeft, 2);
    assert.ok(all(harness.wait(1000), 'closeStream').some(({ stream }) => stream === client));
    const late = pair(harness);
    assert.ok(all(late.orders.concat(harness.wait(0)), 'closeStream').some(({ stream }) => stream === late.client));
    assert.equal(harness.service.clientsLeft, 0);
  });

  test('may be heard of after his listener was closed: he is a client of it, and nothing stands there any more', () => {
    const harness = standing(rule([A], { limits: { total: 4, perSource: 0, ratePerSource: 0 } }));
    harness.service.closeListener(harness.listener);
    harness.update();
    const before = harness.standing;
    const { client, orders } = pair(harness);
    assert.deepEqual(orders, []);
    assert.equal(harness.service.clientsLeft, 2);
    assert.deepEqual(types(harness.open('198.51.100.1:2').orders), ['connect'], 'nobody was asked about him before');
    assert.equal(harness.standing, before);
    harness.service.removeListener(harness.listener);
    assert.ok(all(harness.block('198.51.100.7/32'), 'closeStream').some(({ stream }) => stream === client));
    assert.equal(harness.service.clientsLeft, 2);
  });

  test('at a listener that is gone is nobody of ours', () => {
    const harness = standing(rule([A]));
    harness.service.removeListener(harness.listener);
    assert.deepEqual(pair(harness).orders, []);
    assert.equal(harness.service.stats().connections, 1);
  });
});

/** Its engine need not ask: there was a client. */
function standing(first: ForwardRule): Harness {
  const harness = new Harness(first);
  harness.open('198.51.100.1:1');
  assert.ok(harness.standing);
  return harness;
}

function pair(harness: Harness) {
  const [client, upstream] = [harness.ids.stream(), harness.ids.stream()];
  const from = endpoint('198.51.100.7:7000');
  harness.service.handleStandingPair(
    { at: harness.listener, client, upstream, from, local: LOCAL, tag: 1 },
    harness.now,
  );
  return { client, upstream, orders: harness.drain() };
}

/** A client whose upstream the engine could not reach by the decision. */
function failing(harness: Harness, refused: StandingRefusal) {
  const stream = harness.ids.stream();
  const from = endpoint('198.51.100.9:9');
  harness.service.handleStreamOpened(stream, harness.listener, from, harness.now, LOCAL, refused);
  return stream;
}

/** The decision comes back with the next client. */
function undoneDrain(harness: Harness): void {
  drain(harness);
  harness.service.resume(harness.now);
  harness.open('198.51.100.9:9');
}

function drain(harness: Harness): void {
  harness.service.drain(harness.now);
  harness.drain();
}

function places(decision: StandingDecision | undefined): string[] {
  return (decision?.to ?? []).map(({ place }) => ('path' in place ? place.path : `${place.address}:${place.port}`));
}
