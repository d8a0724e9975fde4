import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../seeded.ts';
import { endpoint, registered } from './harness.ts';
import type { Peer } from './peer.ts';
import { World } from './world.ts';

const MODES = [
  ['without registered keys', {}],
  ['by registered keys', { peers: registered('alice', 'bob', 'carol', 'dave', 'erin') }],
  ['by registered keys, challenged', { peers: registered('alice', 'bob', 'carol', 'dave', 'erin'), challenge: true }],
] as const;

for (const [mode, config] of MODES) {
  describe(mode, () => {
    test('two peers meet, and data goes both ways by flows', () => {
      const world = new World(config);
      const alice = world.peer('alice', '192.0.2.1:1000');
      const bob = world.peer('bob', '203.0.113.1:2000');
      assert.notEqual(world.connect(alice, bob), undefined);
      const before = world.relay.sent.length;
      for (let round = 0; round < 10; round++) {
        alice.say('bob', `ping ${round}`);
        bob.say('alice', `pong ${round}`);
      }
      world.settle();
      assert.deepEqual(
        bob.received.map(({ text }) => text),
        Array.from({ length: 10 }, (_, n) => `ping ${n}`),
      );
      assert.deepEqual(
        alice.received.map(({ text }) => text),
        Array.from({ length: 10 }, (_, n) => `pong ${n}`),
      );
      // One packet out for each packet in, all of them by flows.
      const sent = world.relay.sent.slice(before);
      assert.equal(sent.length, 20);
      assert.ok(sent.every(({ byFlow }) => byFlow));
      assert.equal(world.relay.service.stats().clients, 2);
    });

    test('five peers, every pair a link over one socket, IPv4 and IPv6 mixed; nobody gets what is not his', () => {
      const world = new World(config);
      const names = ['alice', 'bob', 'carol', 'dave', 'erin'];
      const peers = names.map((name, index) =>
        world.peer(name, index % 2 === 0 ? `192.0.2.${index + 1}:1000` : `[2001:db8:1::${index}]:1000`),
      );
      meetPairwise(world, peers);
      for (const one of peers) for (const other of peers) if (one !== other) one.say(other.name, `${one.name} here`);
      world.settle();
      for (const peer of peers) {
        const others = names.filter((name) => name !== peer.name);
        assert.deepEqual(
          peer.received.map(({ from, text }) => [from, text]).sort(),
          others.map((name) => [name, `${name} here`]),
        );
        assert.deepEqual(peer.strange, []);
      }
    });

    test('sessions are renewed, and old ones end after 180 s, not before', () => {
      const world = new World(config);
      const alice = world.peer('alice', '192.0.2.1:1000');
      const bob = world.peer('bob', '203.0.113.1:2000');
      world.connect(alice, bob);
      const old = world.relay.flows.size;
      world.pass(120_000);
      alice.initiate('bob');
      world.settle();
      assert.ok(world.relay.flows.size > old);
      world.pass(55_000);
      assert.ok(world.relay.flows.size > old, 'a key pair lives for 180 s');
      world.pass(60_000);
      assert.ok(alice.say('bob', 'by the new one'));
      world.settle();
      assert.equal(bob.received.at(-1)?.text, 'by the new one');
      world.pass(90_000);
      assert.equal(world.relay.flows.size, 0);
    });

    test('a peer that moves is found again once it tries a handshake', () => {
      const world = new World(config);
      const alice = world.peer('alice', '192.0.2.1:1000');
      const bob = world.peer('bob', '203.0.113.1:2000');
      world.connect(alice, bob);
      alice.endpoint = endpoint('[2001:db8:5::9]:4000');
      alice.say('bob', 'lost');
      world.settle();
      assert.equal(bob.received.length, 0);
      for (let tries = 0; tries < 3; tries++) {
        world.pass(5000);
        alice.initiate('bob');
        world.settle();
      }
      alice.say('bob', 'from elsewhere');
      bob.say('alice', 'welcome');
      world.settle();
      assert.equal(bob.received.at(-1)?.text, 'from elsewhere');
      assert.equal(alice.received.at(-1)?.text, 'welcome');
    });

    test('a peer that moves and only listens is found by the keepalives that it sends', () => {
      const world = new World({ ...config, challenge: false });
      const alice = world.peer('alice', '192.0.2.1:1000');
      const bob = world.peer('bob', '203.0.113.1:2000');
      world.connect(alice, bob);
      alice.endpoint = endpoint('192.0.2.77:4000');
      alice.say('bob', '');
      world.pass(5000);
      bob.initiate('alice');
      world.settle();
      bob.say('alice', 'there you are');
      world.settle();
      assert.equal(alice.received.at(-1)?.text, 'there you are');
    });

    test('a relay that starts afresh is found again when both try', () => {
      const world = new World(config);
      const alice = world.peer('alice', '192.0.2.1:1000');
      const bob = world.peer('bob', '203.0.113.1:2000');
      world.connect(alice, bob);
      world.relay.restart();
      alice.say('bob', 'into the void');
      world.settle();
      assert.equal(bob.received.length, 0);
      const waited = world.connect(alice, bob);
      assert.ok(waited !== undefined && waited <= 10_000, `${waited}`);
      alice.say('bob', 'again');
      world.settle();
      assert.equal(bob.received.at(-1)?.text, 'again');
    });

    test('a lossy network only takes longer', () => {
      const world = new World(config, 'loss');
      const random = seededRandom('loss');
      world.arrives = () => (random(1)[0] ?? 0) > 80;
      const alice = world.peer('alice', '192.0.2.1:1000');
      const bob = world.peer('bob', '203.0.113.1:2000');
      assert.notEqual(world.connect(alice, bob, 300_000), undefined);
    });
  });
}

/** A few rounds of tries, five seconds apart. */
function meetPairwise(world: World, peers: readonly Peer[]): void {
  for (let round = 0; round < 6; round++) {
    for (const one of peers) {
      for (const other of peers) if (one !== other && !one.hasSession(other.name)) one.initiate(other.name);
    }
    world.pass(5000);
  }
  for (const one of peers) {
    for (const other of peers) assert.ok(one === other || one.hasSession(other.name), `${one.name} → ${other.name}`);
  }
}
