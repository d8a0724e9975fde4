import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { mac1Key, sign } from '../../../src/wire/wireguard/mac.ts';
import { decodeWireguard } from '../../../src/wire/wireguard/message.ts';
import { endpoint, keyOf, LISTENER_4, registered } from './harness.ts';
import { data, initiation, random, randomIndex, response } from './messages.ts';
import type { Peer } from './peer.ts';
import { World } from './world.ts';

const VICTIM = endpoint('203.0.113.200:53000');
const ATTACKER = endpoint('198.18.0.66:666');

describe('a forged source', () => {
  test('is no client, and hears of nothing but initiations within the budget', () => {
    const unasked = { perAddress: 5, perPrefix: 50, burstSeconds: 10, maxSources: 1000 };
    const { world, alice, bob } = pair({ unasked });
    const before = world.relay.service.stats().clients;
    const end = world.relay.now + 60_000;
    while (world.relay.now < end) {
      // In the victim's name: initiations, answers to guessed indices, data with the indices of the two.
      world.send(VICTIM, initiation(1 + (random(1)[0] ?? 0)));
      world.send(VICTIM, response(randomIndex(), 7));
      world.send(VICTIM, data(bob.indexFor('alice')));
      // Meanwhile the others renew their sessions far more often than they would.
      alice.initiate('bob');
      alice.say('bob', 'secret');
      bob.say('alice', 'secret');
      world.pass(1000);
    }
    assert.equal(world.relay.service.stats().clients, before);
    const heard = world.relay.sentTo(VICTIM);
    assert.ok(
      heard.every((packet) => packet[0] === 1),
      'nothing but initiations',
    );
    // 50 saved up and 5 a second; an endpoint that proved nothing is charged two for each.
    assert.ok(heard.length <= (50 + 5 * 60) / 2, `${heard.length} initiations in 60 s`);
    assert.ok(heard.length > 0);
    assert.equal(bob.received.length, 60);
  });

  test('answers nothing: a guessed index is dropped, also one that exists at another endpoint', () => {
    const { world, alice, bob } = pair();
    const sent = world.relay.sent.length;
    for (let guess = 0; guess < 1000; guess++) world.send(ATTACKER, data(randomIndex()));
    for (const index of [alice.indexFor('bob'), bob.indexFor('alice')]) world.send(ATTACKER, data(index));
    world.settle();
    assert.equal(world.relay.sent.length, sent);
    assert.equal(world.relay.drops('unknown-receiver'), 1002);
  });

  test('of the relay itself, of port 0, of a multicast group: dropped', () => {
    const { world } = pair();
    const sent = world.relay.sent.length;
    for (const text of ['203.0.113.1:0', '203.0.113.1:53', '224.0.0.1:5000', '255.255.255.255:9']) {
      world.send(endpoint(text), initiation(5));
    }
    world.send(LISTENER_4, initiation(5));
    world.settle();
    assert.equal(world.relay.sent.length, sent);
    assert.equal(world.relay.drops('reflector-source'), 4);
    assert.equal(world.relay.drops('own-address'), 1);
  });

  test('leaves memory bounded, however many there are', () => {
    const world = new World({ maxStrangers: 100 });
    for (let host = 0; host < 5000; host++) {
      world.send(endpoint(`10.${host >> 8}.${host & 255}.9:${1024 + host}`), initiation(host + 1));
    }
    world.settle();
    const { held } = world.relay.service.stats();
    assert.equal(held.strangers, 100);
    assert.ok(held.routes <= 100 * 64, `${held.routes}`);
    world.pass(121_000);
    assert.deepEqual(world.relay.service.stats().held, {
      strangers: 0,
      routes: 0,
      indices: 0,
      deadlines: 0,
      searches: 0,
      sessions: 0,
    });
  });
});

describe('an endpoint that takes part', () => {
  test('cannot take over an index that is live', () => {
    const { world, alice, bob } = pair();
    const mallory = world.peer('mallory', '198.18.0.1:1000');
    world.connect(mallory, bob);
    // Mallory offers bob the very index under which bob speaks to alice.
    world.send(mallory.endpoint, sign(initiation(alice.indexFor('bob')), mac1Key(bob.publicKey)));
    world.settle();
    assert.ok(world.relay.drops('index-conflict') > 0);
    bob.say('alice', 'for alice');
    world.settle();
    assert.equal(alice.received.at(-1)?.text, 'for alice');
    assert.deepEqual(mallory.strange, []);
  });

  test('answering an initiation that was not for it gets it no data', () => {
    const { world, alice, bob } = pair();
    const mallory = world.peer('mallory', '198.18.0.1:1000');
    const dave = world.peer('dave', '198.18.0.2:1000');
    world.connect(mallory, dave);
    const index = alice.initiate('bob');
    world.send(mallory.endpoint, response(4711, index));
    world.settle();
    for (let round = 0; round < 5; round++) alice.say('bob', 'secret');
    world.settle();
    assert.deepEqual(mallory.strange, []);
    assert.equal(bob.received.filter(({ text }) => text === 'secret').length, 5);
  });

  for (const [mode, config, stolen] of [
    ['without registered keys', {}, 2],
    ['by registered keys', { peers: registered('alice', 'bob') }, 0],
  ] as const) {
    test(`first with a copy of another's answer, it has the data of that session come to it, ${mode}: ${stolen}`, () => {
      const { world, alice, bob } = pair(config);
      const mallory = world.peer('mallory', '198.18.0.1:1000');
      // Known by an initiation, so that others' are passed to it.
      mallory.initiate('bob');
      world.settle();
      let copy: Uint8Array | undefined;
      world.arrives = (packet) => {
        if (packet[0] !== 2 || copy !== undefined) return true;
        copy = packet.slice();
        return false;
      };
      alice.initiate('bob');
      world.settle();
      assert.ok(copy !== undefined);
      world.send(mallory.endpoint, copy);
      world.settle();
      alice.say('bob', 'secret');
      world.settle();
      assert.equal(mallory.strange.length, stolen);
      // The next handshake is another matter.
      world.connect(alice, bob);
      alice.say('bob', 'again');
      world.settle();
      assert.equal(bob.received.at(-1)?.text, 'again');
      assert.equal(mallory.strange.length, stolen);
    });
  }

  test('may not speak before the initiator has used its answer', () => {
    const world = new World();
    const alice = world.peer('alice', '192.0.2.1:1000');
    world.send(VICTIM, initiation(0x1111));
    world.settle();
    const index = alice.initiate('bob');
    world.settle();
    const sent = world.relay.sentTo(alice.endpoint).length;
    // The attacker knows the index only because this test tells him.
    world.send(VICTIM, data(index));
    world.send(VICTIM, response(5, index));
    for (let packet = 0; packet < 20; packet++) world.send(VICTIM, data(index));
    for (let packet = 0; packet < 20; packet++) world.send(VICTIM, response(5, index));
    world.settle();
    assert.equal(world.relay.sentTo(alice.endpoint).length - sent, 4, 'one response and three duplicates');
    assert.equal(world.relay.drops('unconfirmed'), 21);
    assert.equal(world.relay.drops('repeated-answer'), 17);
    assert.equal(world.relay.service.stats().clients, 0);
  });
});

describe('registered keys', () => {
  test('whoever is not on the list is not relayed, as initiator or as responder', () => {
    const world = new World({ peers: registered('alice', 'bob') });
    const alice = world.peer('alice', '192.0.2.1:1000');
    const mallory = world.peer('mallory', '198.18.0.1:1000');
    assert.equal(world.connect(alice, mallory, 20_000), undefined);
    assert.ok(world.relay.drops('unregistered-peer') > 0);
    const bob = world.peer('bob', '203.0.113.1:2000');
    assert.notEqual(world.connect(alice, bob), undefined);
    // Mallory knows bob's public key and begins: bob's answer is for a key that nobody registered.
    mallory.initiate('bob');
    world.settle();
    assert.ok(!mallory.hasSession('bob'));
  });

  test('an initiation reaches its recipient alone once that is known', () => {
    const names = ['alice', 'bob', 'carol', 'dave'];
    const world = new World({ peers: registered(...names) });
    const [alice, bob, carol, dave] = names.map((name, index) => world.peer(name, `192.0.2.${index + 1}:1000`));
    assert.ok(alice && bob && carol && dave);
    world.connect(alice, bob);
    world.connect(carol, dave);
    const before = world.relay.sent.length;
    alice.initiate('dave');
    world.settle();
    assert.ok(alice.hasSession('dave'));
    assert.ok(
      world.relay.sent
        .slice(before)
        .every(
          ({ to }) =>
            to === alice.endpoint || to.address === dave.endpoint.address || to.address === alice.endpoint.address,
        ),
    );
    assert.deepEqual([...world.relay.service.clients()].map((record) => record.names?.join()).sort(), names);
  });

  test('a claim to a key that is live elsewhere drives nobody out', () => {
    const world = new World({ peers: registered('alice', 'bob', 'carol') });
    const alice = world.peer('alice', '192.0.2.1:1000');
    const bob = world.peer('bob', '203.0.113.1:2000');
    world.connect(alice, bob);
    // Two accomplices who know the public keys play a handshake of "carol" with "bob" from places of their own.
    const one = endpoint('198.18.0.1:1');
    const two = endpoint('198.18.0.2:2');
    world.send(two, sign(initiation(1), mac1Key(keyOf('carol'))));
    world.send(one, sign(initiation(0xaaaa), mac1Key(keyOf('bob'))));
    world.settle();
    world.send(two, sign(response(0xbbbb, 0xaaaa), mac1Key(keyOf('carol'))));
    world.send(one, data(0xbbbb));
    world.settle();
    const index = alice.initiate('bob');
    world.settle();
    assert.ok(world.relay.sentTo(bob.endpoint).some((packet) => Buffer.from(packet).readUInt32LE(4) === index));
    alice.say('bob', 'still here');
    world.settle();
    assert.equal(bob.received.at(-1)?.text, 'still here');
  });

  test('a client whose very endpoint is forged goes on, and renews its handshakes', () => {
    const searches = { perAddress: 5, perPrefix: 50, burstSeconds: 10, maxSources: 1000 };
    const { world, alice, bob } = pair({ peers: registered('alice', 'bob'), hashesPerSecond: 20_000, searches });
    let renewed = 0;
    for (let step = 0; step < 3000; step++) {
      // 2,000 packets a second, in turn.
      for (let packet = 0; packet < 5; packet++) {
        world.send(alice.endpoint, initiation(randomIndex()));
        world.send(alice.endpoint, response(randomIndex(), randomIndex()));
        world.send(alice.endpoint, data(randomIndex()));
      }
      if (step % 100 === 50) alice.say('bob', 'still here');
      const before = alice.indexFor('bob');
      if (step % 500 === 250) alice.initiate('bob');
      world.pass(10);
      if (alice.indexFor('bob') !== before) renewed++;
    }
    assert.equal(bob.received.length, 30);
    assert.equal(renewed, 6, 'in 30 s, one try each 5 s');
    assert.ok(world.relay.drops('search-over-budget') > 10_000, 'the garbage is dropped all the same');
  });

  test('a response is searched for ahead of garbage, and not charged for it', () => {
    const names = Array.from({ length: 500 }, (_, index) => `peer ${index}`);
    const searches = { perAddress: 5, perPrefix: 0, burstSeconds: 10, maxSources: 1000 };
    const peers = registered(...names, 'alice', 'bob');
    const world = new World({ peers, hashesPerSecond: 1000, searches });
    const bob = world.peer('bob', '203.0.113.1:2000');
    const alice = world.peer('alice', '192.0.2.1:1000');
    bob.initiate('peer 0');
    world.pass(1000);
    alice.initiate('bob');
    world.settle();
    // From everywhere, bob's own endpoint included.
    for (let host = 0; host < 256; host++) world.send(endpoint(`10.0.${host}.1:999`), initiation(randomIndex()));
    for (let packet = 0; packet < 300; packet++) world.send(bob.endpoint, initiation(randomIndex()));
    for (let turn = 0; turn < 20; turn++) world.pass(100);
    assert.ok(alice.hasSession('bob'));
  });

  test('a challenged source gets one small cookie reply for each initiation, and leaves nothing behind', () => {
    const world = new World({ peers: registered('alice', 'bob'), challenge: true });
    const bob = world.peer('bob', '203.0.113.1:2000');
    const alice = world.peer('alice', '192.0.2.1:1000');
    world.connect(alice, bob);
    const before = world.relay.service.stats().held;
    const toBob = world.relay.sentTo(bob.endpoint).length;
    for (let count = 1; count <= 20; count++) world.send(VICTIM, sign(initiation(count), mac1Key(keyOf('bob'))));
    world.settle();
    const heard = world.relay.sentTo(VICTIM);
    assert.deepEqual(
      heard.map(({ length }) => length),
      Array.from({ length: 20 }, () => 64),
    );
    assert.equal(world.relay.sentTo(bob.endpoint).length, toBob);
    assert.deepEqual(world.relay.service.stats().held, before);
  });

  test('the cookie of one endpoint is worth nothing at another, and what goes on carries none', () => {
    const world = new World({ peers: registered('alice', 'bob'), challenge: true });
    const bob = world.peer('bob', '203.0.113.1:2000');
    const alice = world.peer('alice', '192.0.2.1:1000');
    const initiations: Uint8Array[] = [];
    world.arrives = (packet) => {
      if (packet[0] === 1) initiations.push(packet.slice());
      return true;
    };
    world.connect(alice, bob);
    const cookied = world.relay.sent.filter(({ packet }) => packet[0] === 1);
    assert.ok(cookied.length > 0);
    assert.ok(cookied.every(({ packet }) => packet.subarray(132).every((byte) => byte === 0)));
    // Alice's own packet, with her mac2, from another port and from another address.
    const own = initiations.findLast((packet) => packet.subarray(132).some((byte) => byte !== 0));
    assert.ok(own !== undefined);
    for (const thief of [{ ...alice.endpoint, port: 1001 }, VICTIM]) {
      world.send(thief, own);
      world.settle();
      assert.equal(decodeType(world.relay.sent.at(-1)?.packet), 'cookie');
    }
  });
});

function pair(config: ConstructorParameters<typeof World>[0] = {}): { world: World; alice: Peer; bob: Peer } {
  const world = new World(config);
  const alice = world.peer('alice', '192.0.2.1:1000');
  const bob = world.peer('bob', '203.0.113.1:2000');
  assert.notEqual(world.connect(alice, bob), undefined);
  return { world, alice, bob };
}

function decodeType(packet: Uint8Array | undefined): string {
  const message = decodeWireguard(packet ?? new Uint8Array());
  return typeof message === 'string' ? message : message.type;
}
