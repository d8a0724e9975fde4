import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TurnConfig } from '../../../src/service/turn/config.ts';
import { KeptMirror } from '../kept-mirror.ts';
import { bytes, codeOf, Harness, PEER, PEER_2, prefix, testConfig } from './harness.ts';

const CLIENT = '203.0.113.9:4000';
/** Nobody but those who have a password. */
const users = new Map([
  ['alice', 'wonderland'],
  ['bob', 'builder'],
]);
const named = { users, secrets: [], stampSecrets: [] };

/** What a restart does with other settings: the entries, out through JSON, into a service of another process. */
function reborn(before: Harness, changes: Partial<TurnConfig> = {}): Harness {
  const { values } = new KeptMirror(before.service);
  const after = new Harness(testConfig({ credentials: named, ...changes }), 2);
  after.now = before.now;
  after.run(() => after.service.restoreEntries(values, after.now));
  return after;
}

/** Alice with a channel and a permission, and a port that she reserved. */
function lived(): Harness {
  const harness = new Harness(testConfig({ credentials: named }));
  const alice = harness.udpClient(CLIENT);
  alice.allocate({ evenPort: { reserveNext: true } });
  alice.bind(0x4000, PEER);
  alice.permit([PEER_2]);
  return harness;
}

describe('entries', () => {
  test('through JSON into a new process: all that a snapshot has', () => {
    const before = lived();
    const after = reborn(before);
    assert.deepEqual(after.service.snapshot(), before.service.snapshot());
    assert.equal(after.flows.size, 2);
    assert.equal(after.drops('restore-failed'), 0);
  });

  test('hold no password, no key and no nonce', () => {
    const text = JSON.stringify(new KeptMirror(lived().service).values);
    assert.match(text, /"user":"alice"/);
    assert.doesNotMatch(text, /wonderland|obMatJos2|"(key|password|secret|nonce)"/);
  });

  test('an allocation made anew at once is the one that is kept', () => {
    const harness = new Harness();
    const mirror = new KeptMirror(harness.service);
    const alice = harness.udpClient(CLIENT);
    alice.mustAllocate();
    mirror.check();
    alice.refresh({ lifetime: 0 });
    const [relayed] = alice.mustAllocate();
    mirror.check();
    const text = JSON.stringify(mirror.values);
    assert.equal(mirror.values.length, 1);
    assert.ok(text.includes(`"port":${relayed.port}`), text);
  });
});

describe('what the configuration no longer allows', () => {
  const gone = { allocations: 0, entries: 0, drops: 2 };
  for (const [what, changes, expected] of [
    ['the user', { credentials: { ...named, users: new Map([['bob', 'builder']]) } }, gone],
    ['the port', { ports: { min: 60_000, max: 60_100 } }, gone],
    ['the relayed address', { relay: { ipv4: { advertised: '198.51.100.2', bind: '198.51.100.2' } } }, gone],
    [
      'the address that clients are told',
      { relay: { ipv4: { advertised: '203.0.113.1', bind: '198.51.100.1' } } },
      gone,
    ],
    ['the family', { relay: { ipv6: { advertised: '2001:db8::1', bind: '2001:db8::1' } } }, gone],
  ] satisfies [string, Partial<TurnConfig>, typeof gone][]) {
    test(`${what} is gone: so is the allocation, counted`, () => {
      const after = reborn(lived(), changes);
      const { allocations, held } = after.service.stats();
      assert.deepEqual({ allocations, entries: held.entries, drops: after.drops('restore-failed') }, expected);
      assert.deepEqual([...after.ports], []);
      assert.equal(after.flows.size, 0);
    });
  }

  test('the same address bound another way, as on an interface without a carrier: all goes on', () => {
    const relay = { ipv4: { advertised: '198.51.100.1', bind: '0.0.0.0' } };
    const after = reborn(lived(), { relay });
    assert.deepEqual(
      [...after.ports.values()].map(({ address }) => address),
      ['0.0.0.0', '0.0.0.0'],
    );
    assert.equal(after.flows.size, 2);
    const [record] = after.service.snapshot().allocations;
    assert.equal(record?.relays[0]?.advertised, '198.51.100.1');
  });

  test('another realm: its users are others', () => {
    const after = reborn(lived(), { realm: 'elsewhere.test' });
    assert.equal(after.service.stats().allocations, 0);
  });

  test('a peer that is denied now: its permission and its channel, and nothing else', () => {
    const before = lived();
    const after = reborn(before, { peers: { allow: [], deny: [prefix('8.8.4.0/24')] } });
    assert.equal(after.flows.size, 0);
    const [record] = after.service.snapshot().allocations;
    assert.deepEqual(
      record?.permissions.map(({ address }) => address),
      [PEER_2.address],
    );
    assert.deepEqual(record?.channels, []);
    const [relay] = record?.relays ?? [];
    assert.ok(relay);
    assert.deepEqual(after.fromPeer(relay.local, PEER, bytes('x')), []);
    assert.equal(after.fromPeer(relay.local, PEER_2, bytes('x')).length, 1);
  });

  test('another password: the allocation is there, but no request of its client is good', () => {
    const before = lived();
    const nonce = before.udpClient(CLIENT).nonce;
    const after = reborn(before, { credentials: { ...named, users: new Map([['alice', 'other']]) } });
    const alice = after.udpClient(CLIENT);
    alice.nonce = nonce;
    assert.equal(codeOf(alice.refresh()), 401);
    assert.equal(after.service.stats().allocations, 1);
  });

  test('behind a time-limited name may be anybody', () => {
    const credentials = { users: new Map(), secrets: ['rest-secret'], stampSecrets: [] };
    assert.equal(reborn(lived(), { credentials }).service.stats().allocations, 1);
  });
});
