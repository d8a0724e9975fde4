import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeCookieReply } from '../../../src/wire/wireguard/cookie.ts';
import { cookieKey, hasMac2, mac1Key, sign } from '../../../src/wire/wireguard/mac.ts';
import { keyPairOf } from '../../../src/wire/wireguard/x25519.ts';
import { seededRandom } from '../seeded.ts';
import { endpoint, keyOf, privateKeyOf } from './harness.ts';
import { Prover, provingWorld } from './prover.ts';
import type { World } from './world.ts';

const ALICE = '192.0.2.1:1000';
const BOB = '203.0.113.1:2000';
const random = seededRandom('proof');

describe('a handshake with the relay', () => {
  test('proves, once its first packet has come, which key is where', () => {
    const world = provingWorld();
    const alice = new Prover(world, 'alice', ALICE);
    const heard = alice.send(alice.initiator.initiate(7));
    assert.deepEqual(
      heard.map(({ length }) => length),
      [92],
    );
    assert.ok(heard[0] !== undefined && alice.initiator.takeResponse(heard[0]));
    assert.equal(world.relay.service.stats().clients, 0, 'an initiation can be forged');
    assert.deepEqual(alice.send(alice.initiator.data()), [], 'a keepalive wants no answer');
    assert.deepEqual(
      [...world.relay.service.clients()].map(({ names, proven, sent }) => ({ names, proven, packets: sent.packets })),
      [{ names: ['alice'], proven: true, packets: 1 }],
    );
    assert.equal(world.relay.flows.size, 0);
  });

  test('is refused to who has no registered key, and to whoever changes a bit', () => {
    const world = provingWorld();
    assert.equal(new Prover(world, 'mallory', '198.18.0.1:1').shake(), false);
    assert.equal(world.relay.drops('unregistered-peer'), 1);
    const alice = new Prover(world, 'alice', ALICE);
    for (const at of [8, 40, 87, 88, 115]) {
      const packet = alice.initiator.initiate(7);
      packet[at] = (packet[at] ?? 0) ^ 1;
      assert.deepEqual(alice.send(sign(packet, relayMac1())), []);
    }
    assert.equal(world.relay.drops('failed-proof'), 5);
    assert.equal(world.relay.service.stats().held.sessions, 0);
  });

  test('cannot be replayed, and cannot be begun with an older timestamp', () => {
    const world = provingWorld();
    const alice = new Prover(world, 'alice', ALICE);
    const first = alice.initiator.initiate(7);
    assert.equal(alice.send(first).length, 1);
    assert.deepEqual(alice.send(first), []);
    assert.deepEqual(alice.send(first, '198.18.0.1:1'), []);
    alice.initiator.clock = 1n;
    assert.deepEqual(alice.send(alice.initiator.initiate(8)), []);
    assert.equal(world.relay.drops('replayed-proof'), 3);
    alice.initiator.clock = 9n;
    assert.ok(alice.prove());
  });

  test('is made anew every two minutes; three sessions are kept, each for 180 s', () => {
    const world = provingWorld();
    const alice = new Prover(world, 'alice', ALICE);
    assert.ok(alice.shake());
    const old = alice.initiator.data();
    for (let count = 0; count < 5; count++) assert.ok(alice.prove());
    assert.equal(world.relay.service.stats().held.sessions, 3);
    alice.send(old);
    assert.equal(world.relay.drops('unknown-receiver'), 1);
    world.pass(179_000);
    alice.send(alice.initiator.data());
    assert.equal(world.relay.drops('unknown-receiver'), 1);
    world.pass(2000);
    alice.send(alice.initiator.data());
    assert.equal(world.relay.drops('unknown-receiver'), 2);
    assert.equal(world.relay.service.stats().held.sessions, 0);
  });

  test('carries nothing: a payload is dropped, counted, and answered by one keepalive in 10 s', () => {
    const world = provingWorld();
    const alice = new Prover(world, 'alice', ALICE);
    assert.ok(alice.prove());
    const heard = alice.send(alice.initiator.data('an IP packet'));
    assert.deepEqual(
      heard.map((packet) => alice.initiator.read(packet)),
      [''],
    );
    assert.deepEqual(alice.send(alice.initiator.data('another')), []);
    world.pass(10_000);
    assert.equal(alice.send(alice.initiator.data('a third')).length, 1);
    assert.equal(world.relay.drops('proof-payload'), 3);
  });

  test('puts the cookie of a client under load into the next response', () => {
    const world = provingWorld();
    const alice = new Prover(world, 'alice', ALICE);
    const [response] = alice.send(alice.initiator.initiate(7));
    assert.ok(response !== undefined);
    const cookie = new Uint8Array(random(16));
    const offence = { sender: Buffer.from(response).readUInt32LE(4), mac1: response.slice(60, 76) };
    alice.send(encodeCookieReply(offence, cookieKey(keyOf('alice')), cookie, random));
    const [again] = alice.send(alice.initiator.initiate(8));
    assert.ok(again !== undefined && hasMac2(again, cookie));
    world.pass(121_000);
    const [later] = alice.send(alice.initiator.initiate(9));
    assert.ok(later?.subarray(76).every((byte) => byte === 0));
  });
});

describe('a proven endpoint', () => {
  test('alone is sent what is for its key, whoever else claims it', () => {
    const { world, bob } = pairWithBobProven();
    const alice = world.peer('alice', ALICE);
    const impostor = endpoint('198.18.0.1:1');
    const accomplice = endpoint('198.18.0.2:2');
    // A handshake of "carol" with "bob", played by two who know the public keys.
    world.send(accomplice, sign(initiation(1), mac1Key(keyOf('carol'))));
    world.send(impostor, sign(initiation(0xaaaa), mac1Key(keyOf('carol'))));
    world.settle();
    const before = world.relay.sent.length;
    const index = alice.initiate('bob');
    world.settle();
    const went = world.relay.sent.slice(before).filter(({ packet }) => Buffer.from(packet).readUInt32LE(4) === index);
    assert.deepEqual(
      went.filter(({ packet }) => packet[0] === 1).map(({ to }) => to.address),
      [bob.endpoint.address],
    );
    assert.ok(alice.hasSession('bob'));
  });

  test('moves with the first packet from its new place', () => {
    const { world, bob, prover } = pairWithBobProven();
    const alice = world.peer('alice', ALICE);
    assert.notEqual(world.connect(alice, bob), undefined);
    bob.endpoint = endpoint('203.0.113.77:7777');
    prover.move('203.0.113.77:7777');
    prover.send(prover.initiator.data());
    alice.initiate('bob');
    world.settle();
    alice.say('bob', 'there you are');
    world.settle();
    assert.equal(bob.received.at(-1)?.text, 'there you are');
  });

  test('is not taken over by a copy of its packets', () => {
    const { world, prover } = pairWithBobProven();
    const packet = prover.initiator.data();
    prover.send(packet);
    prover.send(packet, '198.18.0.1:1');
    const late = prover.initiator.data('', 3n);
    for (let counter = 4n; counter < 80n; counter++) prover.send(prover.initiator.data('', counter));
    prover.send(late, '198.18.0.1:1');
    assert.equal(world.relay.drops('replayed-proof'), 2);
    assert.deepEqual(
      [...world.relay.service.clients()].map(({ endpoint: { address } }) => address),
      ['203.0.113.1'],
    );
    const bent = prover.initiator.data('', 100n);
    bent[20] = (bent[20] ?? 0) ^ 1;
    prover.send(bent, '198.18.0.1:1');
    assert.equal(world.relay.drops('unknown-receiver'), 1);
  });

  test('counts against maxClients', () => {
    const world = provingWorld({ maxClients: 1 });
    assert.ok(new Prover(world, 'alice', ALICE).prove());
    assert.ok(new Prover(world, 'bob', BOB).prove());
    assert.equal(world.relay.service.stats().clients, 1);
    assert.equal(world.relay.drops('too-many-clients'), 1);
  });
});

describe('where proofs are required', () => {
  test('nobody is relayed without, and with them peers meet', () => {
    const world = provingWorld({ required: true });
    const alice = world.peer('alice', ALICE);
    const bob = world.peer('bob', BOB);
    assert.equal(world.connect(alice, bob, 20_000), undefined);
    assert.ok(world.relay.drops('unproven') > 0);
    assert.deepEqual(world.relay.sent, []);
    assert.ok(new Prover(world, 'alice', ALICE).prove());
    assert.equal(world.connect(alice, bob, 20_000), undefined, 'one of the two is not enough');
    assert.ok(new Prover(world, 'bob', BOB).prove());
    assert.equal(world.connect(alice, bob), 0);
    alice.say('bob', 'hello');
    world.settle();
    assert.equal(bob.received.at(-1)?.text, 'hello');
  });

  test('flows end when the proof of an end lapses', () => {
    const world = provingWorld({ required: true });
    const provers = [new Prover(world, 'alice', ALICE), new Prover(world, 'bob', BOB)];
    for (const prover of provers) assert.ok(prover.prove());
    world.connect(world.peer('alice', ALICE), world.peer('bob', BOB));
    assert.equal(world.relay.flows.size, 4, 'both began, each session goes both ways');
    world.pass(100_000);
    provers[0]?.send(provers[0].initiator.data());
    world.pass(79_000);
    assert.equal(world.relay.flows.size, 4);
    world.pass(2000);
    assert.equal(world.relay.flows.size, 0);
  });

  test('a proven client does not begin handshakes in the name of another', () => {
    const world = provingWorld({ required: true });
    for (const [name, at] of [
      ['alice', ALICE],
      ['bob', BOB],
    ] as const)
      assert.ok(new Prover(world, name, at).prove());
    const bob = world.peer('bob', BOB);
    // Carol's interface at alice's endpoint.
    const carol = world.peer('carol', ALICE);
    assert.equal(world.connect(carol, bob, 5000), undefined);
    assert.ok(world.relay.drops('unproven') > 0);
  });
});

describe('a flood of handshakes for the relay', () => {
  test('costs no more than its share, and a client in whose name it comes gets through with a cookie', () => {
    const world = provingWorld();
    const alice = new Prover(world, 'alice', ALICE);
    let bytesIn = 0;
    let proofs = 0;
    for (let step = 0; step < 1000; step++) {
      for (let packet = 0; packet < 10; packet++) {
        const garbage = sign(initiation(step), relayMac1());
        bytesIn += 2 * garbage.length;
        world.send(endpoint(ALICE), garbage);
        world.send(endpoint(`10.${packet}.${step & 255}.${step >> 8}:9`), garbage);
      }
      if (step % 500 === 250 && alice.shake()) proofs++;
      if (step % 500 === 450 && alice.shake()) proofs++;
      world.pass(10);
    }
    const { agreements } = world.relay.service.stats();
    assert.ok(agreements <= 1000 * 11 + 20, `${agreements} agreements in 10 s`);
    assert.ok(agreements > 1000, 'the flood is one');
    assert.ok(proofs >= 3, `${proofs} of 4 handshakes`);
    const bytesOut = world.relay.sent.reduce((sum, { packet }) => sum + packet.length, 0);
    assert.ok(bytesOut < bytesIn / 2, `${bytesOut} bytes for ${bytesIn}`);
    assert.ok(world.relay.drops('challenged') > 1000);
  });
});

describe('a restart', () => {
  test('keeps what is proven and the timestamps, and writes no session key', () => {
    const { world, prover } = pairWithBobProven({ required: true });
    const alice = new Prover(world, 'alice', ALICE);
    const recording = alice.initiator.initiate(7);
    alice.send(recording);
    assert.ok(alice.prove());
    const bob = world.peers.get('bob');
    assert.ok(bob);
    const speaker = world.peer('alice', ALICE);
    assert.equal(world.connect(speaker, bob), 0);
    const kept = JSON.stringify(world.relay.service.snapshot());
    for (const secret of [privateKeyOf('the relay'), alice.initiator.receiving]) {
      assert.ok(!kept.includes(Buffer.from(secret).toString('base64')));
    }
    world.relay.restart();
    world.relay.run(() => world.relay.service.restore(JSON.parse(kept), world.relay.now));
    assert.equal(world.relay.flows.size, 4);
    assert.equal(world.connect(speaker, bob), 0, 'new handshakes too');
    assert.deepEqual(alice.send(recording), []);
    assert.equal(world.relay.drops('replayed-proof'), 1);
    prover.send(prover.initiator.data());
    assert.equal(world.relay.drops('unknown-receiver'), 1, 'the session with the relay is gone');
    assert.ok(prover.prove());
  });

  test('with proofs required restores nobody without', () => {
    const world = provingWorld();
    world.connect(world.peer('alice', ALICE), world.peer('bob', BOB));
    const kept = world.relay.service.snapshot();
    const strict = provingWorld({ required: true });
    strict.relay.run(() => strict.relay.service.restore(kept, strict.relay.now));
    assert.equal(strict.relay.flows.size, 0);
  });
});

function pairWithBobProven(changes: Parameters<typeof provingWorld>[0] = {}) {
  const world: World = provingWorld(changes);
  const bob = world.peer('bob', BOB);
  const prover = new Prover(world, 'bob', BOB);
  assert.ok(prover.prove());
  return { world, bob, prover };
}

function relayMac1(): Uint8Array {
  return mac1Key(keyPairOf(privateKeyOf('the relay')).publicKey);
}

/** Noise of the right shape. */
function initiation(sender: number): Uint8Array {
  const packet = new Uint8Array(random(148));
  packet.set([1, 0, 0, 0]);
  new DataView(packet.buffer).setUint32(4, sender, true);
  return packet.fill(0, 132);
}
