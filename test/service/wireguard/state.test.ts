import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BlockList } from '../../../src/service/block-list.ts';
import { SnapshotError } from '../../../src/service/wireguard/snapshot.ts';
import { mac1Key, sign } from '../../../src/wire/wireguard/mac.ts';
import { KeptMirror } from '../kept-mirror.ts';
import { seededRandom } from '../seeded.ts';
import { prefix } from '../turn/harness.ts';
import { endpoint, keyOf, privateKeyOf, registered, START, testConfig } from './harness.ts';
import type { Peer } from './peer.ts';
import { World } from './world.ts';

describe('client records', () => {
  test('say when, how much, and who', () => {
    const { world, alice } = pair({ peers: registered('alice', 'bob') });
    world.pass(10_000);
    alice.say('bob', 'x'.repeat(100));
    world.settle();
    const [first, second] = [...world.relay.service.clients()].sort((a, b) => a.endpoint.port - b.endpoint.port);
    assert.deepEqual([first?.names, second?.names], [['alice'], ['bob']]);
    assert.equal(first?.lastSeen, world.relay.now);
    assert.ok(first !== undefined && first.firstSeen < START + 1000);
    assert.ok(first.sent.bytes > 100 && first.sent.packets >= 1, JSON.stringify(first));
    assert.ok(second?.lastSeen !== undefined && second.lastSeen < world.relay.now);
    // What made a client of the other was sent before there was a record of it.
    assert.deepEqual(second.received, { packets: first.sent.packets + 1, bytes: first.sent.bytes + 92 });
  });

  test('end after five minutes without a packet, not before, with everything that rests on them', () => {
    const { world, alice, bob } = pair();
    world.pass(190_000);
    alice.say('bob', 'by a flow, which the service does not see');
    world.settle();
    assert.equal(bob.received.length, 1);
    world.pass(298_000);
    assert.equal(world.relay.service.stats().clients, 1);
    world.pass(3000);
    assert.equal(world.relay.service.stats().clients, 0);
    assert.deepEqual(world.relay.service.stats().held, {
      strangers: 0,
      routes: 0,
      indices: 0,
      deadlines: 0,
      searches: 0,
      sessions: 0,
    });
    assert.equal(world.relay.flows.size, 0);
  });

  test('are no more than maxClients; who is there stays', () => {
    const { world, alice, bob } = pair({ maxClients: 3 });
    const carol = world.peer('carol', '192.0.2.3:1000');
    const dave = world.peer('dave', '192.0.2.4:1000');
    world.connect(carol, dave, 10_000);
    assert.equal(world.relay.service.stats().clients, 2);
    assert.ok(world.relay.drops('too-many-clients') > 0);
    assert.notEqual(world.connect(carol, alice), undefined);
    assert.equal(world.relay.service.stats().clients, 3);
    alice.say('bob', 'still');
    world.settle();
    assert.equal(bob.received.at(-1)?.text, 'still');
  });
});

describe('blocks', () => {
  test('end what is there, and let nothing new begin, silently and counted', () => {
    const blocks = new BlockList(seededRandom('blocks'));
    const { world, alice, bob } = pair({}, blocks);
    blocks.add(prefix('192.0.2.0/24'));
    world.relay.run(() => world.relay.service.applyBlocks(world.relay.now));
    assert.equal(world.relay.flows.size, 0);
    const sent = world.relay.sent.length;
    alice.say('bob', 'blocked');
    alice.initiate('bob');
    bob.say('alice', 'nobody there');
    world.settle();
    assert.equal(world.relay.sent.length, sent);
    assert.equal(world.relay.drops('blocked'), 2);
    assert.equal(blocks.refused, 2);
    assert.equal(world.relay.service.stats().totals.blocked, 2);
  });

  test('come by themselves to who goes on over its budget', () => {
    const blocks = new BlockList(seededRandom('blocks'), {
      limit: 10,
      window: 10_000,
      duration: 60_000,
      maxBlocks: 10,
    });
    const initiations = { perAddress: 5, perPrefix: 0, burstSeconds: 1, maxSources: 100 };
    const world = new World({ initiations }, 1, blocks);
    const alice = world.peer('alice', '192.0.2.1:1000');
    for (let count = 0; count < 40; count++) alice.initiate('bob');
    world.settle();
    assert.equal(blocks.size, 1);
    assert.equal(world.relay.drops('over-budget'), 11);
    assert.equal(world.relay.drops('blocked'), 24);
  });
});

describe('statistics', () => {
  test('come every 30 s while there are clients, and once more when they are gone', () => {
    const { world, alice } = pair();
    const lines = () => world.relay.events.filter(({ name }) => name === 'wireguard-statistics');
    world.pass(30_000);
    assert.deepEqual(lines().length, 1);
    const { clients, packets, bytes, blocked } = lines()[0]?.fields ?? {};
    assert.deepEqual([clients, blocked], [2, 0]);
    assert.ok(Number(packets) >= 3 && Number(bytes) >= 148 + 92, `${packets} ${bytes}`);
    world.pass(60_000);
    assert.equal(lines().length, 3, 'also while nothing is said');
    alice.say('bob', 'more');
    world.pass(1_000_000);
    assert.equal(lines().at(-1)?.fields.clients, 0);
    const told = lines().length;
    world.pass(1_000_000);
    assert.equal(lines().length, told, 'nobody is there');
  });
});

describe('quota of bytes', () => {
  /** How many of 300 packets of 1,000 bytes, 5 ms apart, reach bob. */
  function passes(world: World, from: Peer, to: Peer): number {
    const packet = new Uint8Array(1000);
    packet[0] = 4;
    new DataView(packet.buffer).setUint32(4, to.indexFor(from.name), true);
    const before = world.relay.sentTo(to.endpoint).length;
    for (let count = 0; count < 300; count++) {
      world.send(from.endpoint, packet);
      world.pass(5);
    }
    return world.relay.sentTo(to.endpoint).length - before;
  }

  test('holds for all that one client sends, and for nobody else', () => {
    const { world, alice, bob } = pair({ quota: { bytesPerSecond: 100_000 } });
    const carol = world.peer('carol', '203.0.113.7:3000');
    assert.notEqual(world.connect(alice, carol), undefined);
    // 200,000 bytes a second: a second's worth at once, and then half of it.
    const toBob = passes(world, alice, bob);
    assert.ok(toBob >= 245 && toBob <= 251, `${toBob}`);
    const toCarol = passes(world, alice, carol);
    assert.ok(toCarol >= 145 && toCarol <= 152, `${toCarol}: what she sends to bob counts here too`);
    assert.ok(passes(world, bob, alice) >= 245);
  });

  test('changed by a reload it holds for sessions that are there', () => {
    const { world, alice, bob } = pair();
    const reload = (bytesPerSecond: number) =>
      world.relay.run(() =>
        world.relay.service.updateConfig(testConfig({ quota: { bytesPerSecond } }), world.relay.now),
      );
    assert.equal(passes(world, alice, bob), 300);
    reload(20_000);
    const slow = passes(world, alice, bob);
    assert.ok(slow >= 90 && slow <= 97, `64 KiB at once and 30,000 bytes: ${slow}`);
    reload(0);
    assert.equal(passes(world, alice, bob), 300);
    assert.equal(
      world.relay.service.stats().totals.packets > 690,
      true,
      'what flows carried that are gone is not lost',
    );
  });
});

describe('snapshots', () => {
  test('through JSON into a new process: sessions go on, records and totals too', () => {
    const { world, alice, bob } = pair({ peers: registered('alice', 'bob') });
    alice.say('bob', 'before');
    world.pass(20_000);
    const before = world.relay.service.clients();
    const totals = world.relay.service.stats().totals;
    const snapshot = JSON.parse(JSON.stringify(world.relay.service.snapshot()));
    world.relay.restart();
    world.relay.run(() => world.relay.service.restore(snapshot, world.relay.now));
    assert.deepEqual(world.relay.service.clients(), before);
    assert.deepEqual(world.relay.service.stats().totals, totals);
    alice.say('bob', 'after');
    bob.say('alice', 'after');
    world.settle();
    assert.equal(bob.received.at(-1)?.text, 'after');
    assert.equal(alice.received.at(-1)?.text, 'after');
    assert.equal(world.relay.service.stats().totals.packets, totals.packets + 2);
    alice.initiate('bob');
    world.settle();
    world.pass(201_000);
    assert.equal(world.relay.flows.size, 0);
  });

  test('leave out what has expired, is blocked, or is no longer registered', () => {
    const blocks = new BlockList(seededRandom('blocks'));
    const { world } = pair({}, blocks);
    const snapshot = world.relay.service.snapshot();
    const restored = (after: number) => {
      world.relay.restart();
      world.relay.now += after;
      world.relay.run(() => world.relay.service.restore(snapshot, world.relay.now));
      return [world.relay.service.stats().clients, world.relay.flows.size];
    };
    assert.deepEqual(restored(0), [2, 2]);
    blocks.add(prefix('192.0.2.1'));
    assert.deepEqual(restored(0), [1, 0]);
    assert.deepEqual(restored(250_000), [1, 0]);
    assert.deepEqual(restored(100_000), [0, 0]);
    const other = new World({ peers: registered('carol') });
    other.relay.run(() => other.relay.service.restore(snapshot, START));
    assert.equal(other.relay.service.stats().clients, 0);
  });

  test('a client with a live link stays, however old what is written of its last packet', () => {
    const { world } = pair({ timeout: 30_000 });
    const { values } = new KeptMirror(world.relay.service);
    world.relay.restart();
    world.relay.now += 100_000;
    world.relay.run(() => world.relay.service.restoreEntries(values, world.relay.now));
    assert.equal(world.relay.service.stats().clients, 2);
    assert.equal(world.relay.flows.size, 2);
    world.pass(110_000);
    assert.equal(world.relay.service.stats().clients, 0, 'nobody spoke since');
  });

  test('of another version, or into a service that has clients, are mistakes', () => {
    const { world } = pair();
    const snapshot = world.relay.service.snapshot();
    assert.throws(() => world.relay.service.restore(snapshot, world.relay.now), SnapshotError);
    world.relay.restart();
    assert.throws(() => world.relay.service.restore({ ...snapshot, version: 2 as 1 }, world.relay.now), SnapshotError);
  });
});

describe('many registered keys', () => {
  const names = Array.from({ length: 2000 }, (_, index) => `peer ${index}`);

  test('a search goes in slices, and what is known needs none', () => {
    const world = new World({ peers: registered(...names, 'alice', 'bob'), hashesPerSecond: 20_000 });
    const alice = world.peer('alice', '192.0.2.1:1000');
    const bob = world.peer('bob', '203.0.113.1:2000');
    alice.initiate('bob');
    world.settle();
    assert.equal(world.relay.service.stats().held.searches, 1);
    world.pass(200);
    assert.equal(world.relay.service.stats().held.searches, 0);
    assert.notEqual(world.connect(alice, bob), undefined);
    const sent = world.relay.sent.length;
    alice.initiate('bob');
    world.settle();
    assert.ok(world.relay.sent.length > sent, 'at once, from the cache');
  });

  test('whom many speak to is found at once, and so is who was found while others waited', () => {
    const world = new World({ peers: registered(...names, 'hub'), hashesPerSecond: 20_000 });
    for (let client = 0; client < 20; client++) world.peer(`peer ${client}`, `192.0.2.${client}:1000`).initiate('hub');
    // A second try while the first waits.
    world.peer('peer 20', '192.0.2.20:1000').initiate('hub');
    world.peers.get('peer 20')?.initiate('hub');
    world.pass(500);
    assert.equal(world.relay.service.stats().held.searches, 0);
    assert.equal(world.relay.service.stats().hashes, 2001 + 21);
  });

  test('a client with many links is searched among its partners first', () => {
    const world = new World({ peers: registered(...names, 'hub'), hashesPerSecond: 20_000 });
    const hub = world.peer('hub', '203.0.113.1:51820');
    hub.initiate('peer 0');
    world.pass(1000);
    for (let client = 0; client < 50; client++) {
      const spoke = world.peer(`peer ${1900 + client}`, `192.0.2.${client}:1000`);
      assert.notEqual(world.connect(spoke, hub), undefined);
    }
    const before = world.relay.service.stats().hashes;
    hub.initiate('peer 1905');
    world.pass(100);
    assert.ok(world.relay.service.stats().hashes - before < 120, `${world.relay.service.stats().hashes - before}`);
  });

  test('what a flood left to be searched costs who comes after it a few tries, not the time that the search would take', () => {
    const world = new World({ peers: registered(...names, 'alice', 'bob'), hashesPerSecond: 20_000 });
    const alice = world.peer('alice', '192.0.2.1:1000');
    alice.initiate('bob');
    world.pass(1000);
    const garbage = sign(new Uint8Array(148), mac1Key(keyOf('nobody')));
    garbage[0] = 1;
    // Ten searches a second: what may wait is 26 s of work.
    for (let host = 0; host < 1000; host++) world.send(endpoint(`10.0.${host >> 8}.${host & 255}:999`), garbage);
    const bob = world.peer('bob', '203.0.113.1:2000');
    for (let tries = 0; tries < 3 && !bob.hasSession('alice'); tries++) {
      bob.initiate('alice');
      world.pass(5_000);
    }
    assert.ok(bob.hasSession('alice'));
    assert.equal(world.relay.service.stats().held.searches, 0);
    assert.ok(world.relay.drops('search-over-budget') > 900, 'counted');
  });

  test('a flood of garbage takes no more than its share of hashes, and clients go on', () => {
    // Keys that nobody has the private half of.
    const many = Array.from({ length: 10_000 }, (_, index) => ({
      name: `${index}`,
      publicKey: privateKeyOf(`${index}`),
    }));
    const searches = { perAddress: 2, perPrefix: 10, burstSeconds: 2, maxSources: 1000 };
    const config = { peers: [...many, ...registered('alice', 'bob')], hashesPerSecond: 20_000, searches };
    const world = new World(config);
    const alice = world.peer('alice', '192.0.2.1:1000');
    const bob = world.peer('bob', '203.0.113.1:2000');
    assert.notEqual(world.connect(alice, bob), undefined);
    const before = world.relay.service.stats().hashes;
    const garbage = sign(new Uint8Array(148), mac1Key(keyOf('nobody')));
    garbage[0] = 1;
    for (let second = 0; second < 10; second++) {
      for (let packet = 0; packet < 1000; packet++) {
        world.send(endpoint(`10.${packet >> 8}.${packet & 255}.${second}:999`), garbage);
        // Also in alice's name.
        world.send(alice.endpoint, garbage);
      }
      world.pass(1000);
      alice.initiate('bob');
      world.settle();
    }
    // 20,000 packets came, which would have been 200 million. In 10 s: searches at 20,000 a second and 200 ms saved up, and what the
    // keys of alice's endpoint cost, at 2,000 and 2 s saved up.
    const hashes = world.relay.service.stats().hashes - before;
    assert.ok(hashes <= 20_000 * 10.2 + 2000 * 12, `${hashes} hashes`);
    assert.ok(hashes > 100_000, `${hashes} hashes`);
    alice.say('bob', 'unharmed');
    world.settle();
    assert.equal(bob.received.at(-1)?.text, 'unharmed');
  });
});

function pair(
  config: ConstructorParameters<typeof World>[0] = {},
  blocks?: BlockList,
): { world: World; alice: Peer; bob: Peer } {
  const world = new World(config, 1, blocks);
  const alice = world.peer('alice', '192.0.2.1:1000');
  const bob = world.peer('bob', '203.0.113.1:2000');
  assert.notEqual(world.connect(alice, bob), undefined);
  return { world, alice, bob };
}
