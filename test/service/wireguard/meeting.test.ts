import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Millis, SECOND } from '../../../src/net/time.ts';
import { UniformSource } from '../../../src/service/uniform.ts';
import type { WireguardConfig } from '../../../src/service/wireguard/config.ts';
import { seededRandom } from '../seeded.ts';
import { endpoint, registered } from './harness.ts';
import { initiation, randomIndex } from './messages.ts';
import type { Peer } from './peer.ts';
import { World } from './world.ts';

/** The budgets and the fan-out of a configuration that says nothing of them; no keys are registered. */
const DEFAULTS: Partial<WireguardConfig> = {
  fanOut: 16,
  maxClients: 10_000,
  maxStrangers: 2500,
  initiations: { perAddress: 50, perPrefix: 500, burstSeconds: 5, maxSources: 65_536 },
  unasked: { perAddress: 5, perPrefix: 50, burstSeconds: 10, maxSources: 65_536 },
};

describe('newcomers of whom no key is known', () => {
  test('meet one pair after the other, however many clients there are', () => {
    const world = new World({ fanOut: 16 });
    for (let pair = 0; pair < 40; pair++) {
      const [one, other] = pairOf(world, pair);
      assert.equal(world.connect(one, other), 0, `pair ${pair}`);
    }
  });

  test('meet within (newcomers / fanOut) tries when they come at once, in any order', () => {
    for (let seed = 1; seed <= 5; seed++) {
      const world = new World(DEFAULTS, seed);
      const crowd = new Crowd(world, seed);
      for (let pair = 0; pair < 100; pair++) crowd.join(pairOf(world, pair), 10 * SECOND, 10 * SECOND);
      crowd.live(90 * SECOND);
      assert.ok(crowd.worst(100) <= 13, `seed ${seed}: ${crowd.worst(100)} tries`);
    }
  });

  test('reach a client that looks for nobody within 40 tries of theirs, among 500', () => {
    const world = settled(250);
    const clients = [...world.peers.values()];
    for (const at of [0, 7, 123, 250, 498]) {
      const late = world.peer(`late ${at}`, `100.64.${at >> 8}.${at & 255}:1000`);
      const old = clients[at];
      assert.ok(old !== undefined);
      let tries = 0;
      while (!late.hasSession(old.name)) {
        late.initiate(old.name);
        world.pass(5 * SECOND);
        assert.ok(++tries <= 40, `client ${at}`);
        if (tries % 4 === 0) for (const client of clients) client.say(partnerOf(client), '');
      }
    }
  });

  test('reach a client among 500 at once when it looks for them', () => {
    const world = settled(250);
    const clients = [...world.peers.values()];
    for (const at of [0, 7, 123, 250, 498]) {
      const late = world.peer(`late ${at}`, `100.64.${at >> 8}.${at & 255}:1000`);
      const old = clients[at];
      assert.ok(old !== undefined);
      assert.equal(world.connect(late, old), 0);
    }
  });

  test('meet although a flood of strangers comes from one network', () => {
    const world = new World(DEFAULTS);
    const [one, other] = pairOf(world, 1);
    const flood = () => {
      for (let count = 0; count < 5000; count++) {
        world.send(endpoint(`198.18.0.${count & 255}:${1024 + (count >> 1)}`), initiation(randomIndex()));
      }
      world.pass(SECOND);
    };
    for (let second = 0; second < 10; second++) flood();
    assert.equal(world.relay.service.stats().held.strangers, 2500);
    one.initiate(other.name);
    for (let second = 0; second < 5; second++) flood();
    other.initiate(one.name);
    world.settle();
    assert.ok(other.hasSession(one.name) && one.hasSession(other.name));
  });
});

describe('a client with more partners than the fan-out', () => {
  test('renews its session with any of them within 6 tries, and finds new ones', () => {
    const world = new World(DEFAULTS);
    const hub = world.peer('hub', '203.0.113.1:51820');
    const spokes = Array.from({ length: 40 }, (_, at) => world.peer(`spoke ${at}`, `100.64.${at}.1:1000`));
    for (const spoke of spokes) assert.equal(world.connect(hub, spoke), 0);
    for (const at of [0, 13, 21, 39]) {
      const spoke = spokes[at];
      assert.ok(spoke !== undefined);
      const before = spoke.indexFor('hub');
      let tries = 0;
      for (; spoke.indexFor('hub') === before; tries++) {
        hub.initiate(spoke.name);
        world.pass(5 * SECOND);
      }
      assert.ok(tries <= 6, `${tries} tries for spoke ${at}`);
    }
    const late = world.peer('late', '192.0.2.1:1000');
    late.initiate('spoke that is away');
    world.settle();
    hub.initiate('late');
    world.settle();
    assert.ok(hub.hasSession('late'));
  });
});

test('a registered peer that 300 clients want is reached by all of them within 6 tries', () => {
  const names = Array.from({ length: 300 }, (_, at) => `client ${at}`);
  const world = new World({ ...DEFAULTS, peers: registered('hub', ...names) });
  const hub = world.peer('hub', '203.0.113.1:51820');
  const clients = names.map((name, at) => world.peer(name, `100.${at >> 8}.${at & 255}.1:1000`));
  hub.initiate('client 0');
  world.settle();
  const missing = () => clients.filter((client) => !client.hasSession('hub'));
  for (let tries = 0; tries < 6; tries++) {
    for (const client of missing()) client.initiate('hub');
    world.pass(5 * SECOND);
  }
  assert.deepEqual(missing(), []);
});

/** Peers that look for their partners every 5 s and up to a third more, as interfaces do, until they have a session. */
class Crowd {
  readonly #world: World;
  readonly #below: (limit: number) => number;
  readonly #seekers: { readonly peer: Peer; readonly wanted: string; at: Millis; tries: number }[] = [];

  constructor(world: World, seed: number) {
    const random = new UniformSource(seededRandom(`crowd ${seed}`));
    this.#below = (limit) => random.below(limit);
    this.#world = world;
  }

  join([one, other]: readonly [Peer, Peer], within: Millis, withinOther: Millis): void {
    const { now } = this.#world.relay;
    this.#seekers.push({ peer: one, wanted: other.name, at: now + this.#below(within), tries: 0 });
    this.#seekers.push({ peer: other, wanted: one.name, at: now + this.#below(withinOther), tries: 0 });
  }

  live(duration: Millis): void {
    const world = this.#world;
    const end = world.relay.now + duration;
    for (;;) {
      const waiting = this.#seekers.filter(({ peer, wanted }) => !peer.hasSession(wanted));
      const [next] = waiting.sort((a, b) => a.at - b.at);
      if (next === undefined || next.at > end) return;
      world.pass(next.at - world.relay.now);
      next.peer.initiate(next.wanted);
      next.tries++;
      next.at += 5 * SECOND + this.#below(334);
      world.settle();
    }
  }

  /** The most tries that one of them needed; all must have met. */
  worst(pairs: number): number {
    assert.equal(this.#seekers.filter(({ peer, wanted }) => peer.hasSession(wanted)).length, 2 * pairs);
    return Math.max(...this.#seekers.map(({ tries }) => tries));
  }
}

/** Each pair, and each of a pair, in a network of its own. */
function pairOf(world: World, pair: number): [Peer, Peer] {
  return [world.peer(`${pair} a`, `100.${pair}.0.1:1000`), world.peer(`${pair} b`, `101.${pair}.0.1:1000`)];
}

function partnerOf({ name }: Peer): string {
  return name.endsWith('a') ? name.replace('a', 'b') : name.replace('b', 'a');
}

/** So many pairs of clients that have met. */
function settled(pairs: number): World {
  const world = new World(DEFAULTS);
  for (let pair = 0; pair < pairs; pair++) {
    const [one, other] = pairOf(world, pair);
    assert.equal(world.connect(one, other), 0);
  }
  return world;
}
