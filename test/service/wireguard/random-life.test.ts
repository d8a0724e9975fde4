import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { type Endpoint, endpointKey } from '../../../src/net/endpoint.ts';
import { decodeWireguard } from '../../../src/wire/wireguard/message.ts';
import { KeptMirror } from '../kept-mirror.ts';
import { seededRandom } from '../seeded.ts';
import { endpoint, registered } from './harness.ts';
import type { Peer } from './peer.ts';
import { Prover, provingWorld } from './prover.ts';
import { World } from './world.ts';

/**
 * Peers that do anything at any time over a network that loses, doubles and delays, move behind their NATs, and are joined by forgers who
 * replay, flip bits and write any source. Whatever happens: nobody is sent data that is not his, no data packet goes out twice for
 * one that came in, flows are removed exactly once (the harness throws otherwise), and in the end nothing is left.
 *
 * One thing nobody can see without a list of peers: that a handshake message was copied and sent from another place. Data may come to a place
 * that was forged so (docs/wireguard.md), and to no other; with a list to none.
 */
const SEEDS = [...Array.from({ length: 16 }, (_, index) => index + 1), 95];

describe('random peers', () => {
  const gotThrough = new Set<number>();
  after(() => assert.ok(gotThrough.size > 0.9 * SEEDS.length, `only in ${[...gotThrough]} somebody got through`));
  for (const seed of SEEDS) {
    test(`seed ${seed}`, () => {
      if (live(seed)) gotThrough.add(seed);
    });
  }
});

/** Whether somebody got through. */
function live(seed: number): boolean {
  const random = seededRandom(`wireguard life ${seed}`);
  const below = (limit: number) => Buffer.from(random(4)).readUInt32LE() % limit;
  const names = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank'];
  const unasked = { perAddress: 20, perPrefix: 100, burstSeconds: 5, maxSources: 1000 };
  const keys = seed % 2 === 0 ? { peers: registered(...names.slice(0, 5)), challenge: seed % 4 === 0 } : {};
  const proves = seed % 2 === 0 && seed > 6;
  const limits = { ...keys, unasked, maxClients: 5, maxStrangers: 6 };
  const world = proves ? provingWorld({ ...limits, required: seed % 3 === 1 }, seed) : new World(limits, seed);
  const peers = names.map((name, index) => world.peer(name, `192.0.2.${index}:1000`));
  const provers = new Map(peers.map((peer) => [peer, new Prover(world, peer.name, textOf(peer))]));
  const seen: Uint8Array[] = [];
  let dataIn = 0;
  let proofs = 0;
  // Which index a handshake message puts where, by whom.
  const [placed, forged] = [new Set<string>(), new Set<string>()];
  const put = (into: Set<string>, from: Endpoint, packet: Uint8Array) => {
    seen.push(packet.slice());
    const message = decodeWireguard(packet);
    if (typeof message !== 'string' && 'sender' in message) into.add(placeOf(from, message.sender));
    send(from, packet);
  };
  const send = world.send.bind(world);
  world.send = (from, packet) => put(placed, from, packet);
  const forge = (from: Endpoint, packet: Uint8Array) => put(forged, from, packet);
  const receive = world.relay.receive.bind(world.relay);
  world.relay.receive = (from, packet) => {
    if (isData(packet)) dataIn++;
    receive(from, packet);
  };
  world.arrives = () => below(12) !== 0;
  let mirror = new KeptMirror(world.relay.service, withoutCounts);
  for (let step = 0; step < 800; step++) {
    if (step % 5 === 0) mirror.check();
    const peer = peers[below(peers.length)];
    const other = names[below(names.length)] ?? '';
    const old = seen[below(seen.length || 1)]?.slice();
    if (peer === undefined || other === peer.name) continue;
    switch (below(proves ? 14 : 11)) {
      case 0:
        peer.initiate(other);
        break;
      case 1: {
        const second = world.peers.get(other);
        if (second !== undefined && below(3) === 0) world.connect(peer, second, 10_000);
        break;
      }
      case 2:
      case 3:
      case 4:
        for (let packet = 0; packet < 3; packet++) peer.say(other, `step ${step}`);
        break;
      case 5:
        if (below(4) === 0)
          peer.endpoint = endpoint(`${below(2) ? '192.0.2' : '198.18.0'}.${below(200)}:${1 + below(60000)}`);
        break;
      case 6:
        world.pass([10, 5000, 30_000, 130_000][below(4)] ?? 0);
        break;
      case 7:
        // The same packet again, from where it came or from anywhere.
        if (old !== undefined) forge(below(2) ? peer.endpoint : endpoint('198.18.9.9:9'), old);
        break;
      case 8:
        if (old !== undefined) {
          // A ciphertext that is changed goes where it went before, and proves nothing.
          old[below(isData(old) ? 16 : old.length)] = below(256);
          forge(peer.endpoint, old);
        }
        break;
      case 9:
        if (below(8) !== 0) break;
        mirror.check();
        restart(world);
        mirror = new KeptMirror(world.relay.service, withoutCounts);
        break;
      case 11:
      case 12: {
        const prover = provers.get(peer);
        prover?.move(textOf(peer));
        if (prover?.prove()) proofs++;
        break;
      }
      case 13:
        if (old !== undefined) provers.get(peer)?.send(old);
        break;
      default:
        world.settle();
    }
  }
  world.settle();
  const isForged = (place: string) => !('peers' in keys) && forged.has(place) && !placed.has(place);
  for (const { name, strange } of peers) {
    const unexcused = strange.filter(({ receiver, at }) => !isForged(placeOf(at, receiver)));
    assert.deepEqual(unexcused, [], name);
  }
  assert.ok(world.relay.sent.filter(({ packet }) => isData(packet)).length <= dataIn);
  assert.ok(world.relay.service.stats().clients <= 5);
  assert.ok(!proves || proofs > 10, `${proofs} proofs`);
  world.pass(600_000);
  assert.deepEqual(world.relay.service.stats().held, {
    strangers: 0,
    routes: 0,
    indices: 0,
    deadlines: 0,
    searches: 0,
    sessions: 0,
  });
  assert.equal(world.relay.flows.size, 0);
  assert.equal(world.relay.service.stats().clients, 0);
  return peers.some(({ received }) => received.length > 0);
}

function placeOf(at: Endpoint, index: number): string {
  return `${endpointKey(at)} ${index}`;
}

function textOf({ endpoint: { address, port } }: Peer): string {
  return `${address}:${port}`;
}

/** Counts and times go on with every packet; they are written when something else changes. */
function withoutCounts(value: object): unknown {
  return 'totals' in value ? {} : { ...value, lastSeen: 0, packets: 0, bytes: 0 };
}

/** With what was kept, or without. */
function restart(world: World): void {
  const snapshot = JSON.parse(JSON.stringify(world.relay.service.snapshot()));
  world.relay.restart();
  world.relay.run(() => world.relay.service.restore(snapshot, world.relay.now));
}

function isData(packet: Uint8Array): boolean {
  const message = decodeWireguard(packet);
  return typeof message !== 'string' && message.type === 'data';
}
