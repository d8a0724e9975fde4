import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { WireguardConfig } from '../../../src/service/wireguard/config.ts';
import { endpoint, registered, testConfig } from './harness.ts';
import type { Peer } from './peer.ts';
import { Prover, provingWorld } from './prover.ts';
import { World } from './world.ts';

describe('a new configuration', () => {
  test('takes peers away with their flows, and does not touch the others', () => {
    const { world, alice, bob, carol, dave } = twoPairs(registered('alice', 'bob', 'carol', 'dave'));
    const flows = world.relay.flows.size;
    const before = world.relay.sent.length;
    reload(world, { peers: registered('alice', 'bob', 'carol') });
    assert.ok(world.relay.flows.size < flows && world.relay.flows.size > 0);
    assert.equal(world.relay.sent.length, before);
    alice.say('bob', 'still');
    carol.say('dave', 'gone');
    dave.say('carol', 'gone');
    world.settle();
    assert.equal(bob.received.at(-1)?.text, 'still');
    assert.deepEqual([carol.received, dave.received], [[], []]);
    assert.deepEqual(names(world), ['alice', 'bob', 'carol']);
    dave.initiate('carol');
    carol.initiate('dave');
    world.pass(1000);
    assert.deepEqual(names(world), ['alice', 'bob', 'carol']);
    assert.ok(world.relay.drops('unregistered-peer') > 0);
  });

  test('adds peers, who meet those that are there', () => {
    const { world, alice } = twoPairs(registered('alice', 'bob', 'carol', 'dave'));
    const erin = world.peer('erin', '192.0.2.9:1000');
    assert.equal(world.connect(alice, erin, 5000), undefined);
    reload(world, { peers: registered('erin', 'dave', 'carol', 'bob', 'alice') });
    assert.notEqual(world.connect(alice, erin, 20_000), undefined);
    assert.deepEqual(names(world), ['alice', 'bob', 'carol', 'dave', 'erin']);
  });

  test('with a first list of peers ends those of whom no key is known; without a list all stay', () => {
    const { world, alice, bob } = twoPairs([]);
    reload(world, { peers: registered('alice', 'bob') });
    assert.deepEqual([world.relay.service.stats().clients, world.relay.flows.size], [0, 0]);
    assert.notEqual(world.connect(alice, bob), undefined);
    reload(world, { peers: [] });
    alice.say('bob', 'still');
    world.settle();
    assert.equal(bob.received.at(-1)?.text, 'still');
  });

  test('has new budgets, limits and times at once', () => {
    const { world, alice, bob } = twoPairs([]);
    const initiations = { perAddress: 1, perPrefix: 0, burstSeconds: 1, maxSources: 100 };
    reload(world, { initiations, maxClients: 2, timeout: 20_000 });
    assert.equal(world.relay.service.stats().clients, 4, 'nobody is driven out');
    for (let count = 0; count < 3; count++) alice.initiate('bob');
    world.settle();
    assert.equal(world.relay.drops('over-budget'), 2);
    world.pass(15_000);
    bob.say('alice', 'by a flow');
    world.pass(6000);
    assert.deepEqual(
      [...world.relay.service.clients()].map(({ endpoint: { address } }) => address),
      ['192.0.2.2'],
      'the only one that sent something within 20 s',
    );
  });

  test('that requires proofs ends who has none', () => {
    const world = provingWorld();
    const alice = world.peer('alice', '192.0.2.1:1000');
    const bob = world.peer('bob', '192.0.2.2:1000');
    world.connect(alice, bob);
    const proof = { privateKey: new Uint8Array(32), required: true, agreementsPerSecond: 1000 };
    reload(world, { peers: registered('alice', 'bob', 'carol'), proof });
    assert.equal(world.relay.flows.size, 0);
    for (const [name, at] of [
      ['alice', '192.0.2.1:1000'],
      ['bob', '192.0.2.2:1000'],
    ] as const)
      assert.ok(new Prover(world, name, at).prove());
    assert.equal(world.connect(alice, bob), 0);
    reload(world, { peers: registered('alice'), proof });
    assert.equal(world.relay.flows.size, 0);
    assert.equal(world.relay.service.stats().held.sessions, 1);
  });
});

describe('a drain', () => {
  test('takes nobody new; who is there goes on, renews, and may move where its key is known', () => {
    for (const peers of [[], registered('alice', 'bob', 'carol', 'dave', 'erin')]) {
      const { world, alice, bob } = twoPairs(peers);
      world.relay.run(() => world.relay.service.drain(world.relay.now));
      assert.equal(world.relay.service.clientsLeft, 4);
      const erin = world.peer('erin', '192.0.2.9:1000');
      world.connect(erin, bob, 5000);
      erin.say('bob', 'let me in');
      world.settle();
      assert.ok(world.relay.drops('draining') > 0);
      assert.equal(world.relay.service.clientsLeft, 4);
      const index = alice.indexFor('bob');
      alice.initiate('bob');
      world.settle();
      assert.notEqual(alice.indexFor('bob'), index);
      alice.say('bob', 'renewed');
      world.settle();
      assert.deepEqual(
        bob.received.map(({ text }) => text),
        ['renewed'],
      );
      alice.endpoint = endpoint('198.51.100.77:1000');
      alice.initiate('bob');
      world.settle();
      alice.say('bob', 'moved');
      world.settle();
      assert.equal(bob.received.at(-1)?.text, peers.length > 0 ? 'moved' : 'renewed');
      world.relay.run(() => world.relay.service.resume(world.relay.now));
      world.connect(erin, bob);
      erin.say('bob', 'at last');
      world.settle();
      assert.equal(bob.received.at(-1)?.text, 'at last');
    }
  });
});

function reload(world: World, changes: Partial<WireguardConfig>): void {
  world.relay.run(() => world.relay.service.updateConfig(testConfig(changes), world.relay.now));
}

function names(world: World): string[] {
  return [...world.relay.service.clients()].map(({ names = [] }) => names.join()).sort();
}

function twoPairs(peers: WireguardConfig['peers']) {
  const world = new World({ peers });
  const [alice, bob, carol, dave] = ['alice', 'bob', 'carol', 'dave'].map((name, index) =>
    world.peer(name, `192.0.2.${index + 1}:1000`),
  ) as [Peer, Peer, Peer, Peer];
  assert.notEqual(world.connect(alice, bob), undefined);
  assert.notEqual(world.connect(carol, dave), undefined);
  return { world, alice, bob, carol, dave };
}
