import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Endpoint, endpointKey } from '../../../src/net/endpoint.ts';
import { FLAG_CHALLENGE, NONCE_BYTES, nonceOf } from '../../../src/wire/pair/extension.ts';
import { decodeHandshake } from '../../../src/wire/pair/handshake.ts';
import { KeptMirror } from '../kept-mirror.ts';
import { seededRandom } from '../seeded.ts';
import {
  bytes,
  type Delivery,
  endpoint,
  Harness,
  handshake,
  nonceHandshake,
  OTHER_KEY,
  testConfig,
} from './harness.ts';

/**
 * Honest clients that meet two by two over a network that loses and reorders, behind NATs that give them new ports, among others who guess
 * keys, send forged data, know the key but not the GUIDs, and, where the extension is required, replay whatever they saw. Whatever
 * happens: what a pair says reaches nobody but that pair, as it was said, and nothing of others reaches it; every pair works again once the
 * network does; in the end nothing is left.
 */
for (const mode of ['plain', 'nonces'] as const) {
  for (let seed = 1; seed <= 8; seed++) {
    test(`random clients, ${mode}, seed ${seed}`, () => {
      const world = new World(mode, seed);
      const mirror = new KeptMirror(world.harness.service, withoutBusySeats);
      for (let step = 0; step < 2_000; step++) {
        world.step();
        if (step % 7 === 0) mirror.check();
      }
      world.heal();
      assert.ok(world.received > 50, `only ${world.received} datagrams arrived`);
      world.harness.pass(40_000);
      assert.deepEqual(world.harness.service.stats().held, { entries: 0, deadlines: 0 });
      assert.equal(world.harness.flows.size, 0);
      mirror.check();
      assert.deepEqual(mirror.values, []);
    });
  }
}

/** When a busy seat was last seen is known to nobody, and not asked for: it gets its whole time anew. */
function withoutBusySeats(channel: object): unknown {
  const { seats, ...others } = channel as { seats: { busy: boolean; lastSeen: number }[] };
  return { ...others, seats: seats.map((seat) => (seat.busy ? { ...seat, lastSeen: 0 } : seat)) };
}

interface Client {
  readonly pair: number;
  at: Endpoint;
  nonce: Uint8Array;
  /** Every address that it ever had: late datagrams may still come from and go to them. */
  readonly addresses: Set<string>;
}

class World {
  readonly harness: Harness;
  received = 0;
  readonly #mode: 'plain' | 'nonces';
  readonly #random: (limit: number) => number;
  readonly #clients: Client[] = [];
  readonly #inFlight: { from: Endpoint; packet: Uint8Array }[] = [];
  readonly #seen: Uint8Array[] = [];
  #ports = 1000;

  constructor(mode: 'plain' | 'nonces', seed: number) {
    this.#mode = mode;
    const antiReplay = mode === 'plain' ? 'off' : 'require';
    this.harness = new Harness(testConfig({ antiReplay, quota: { perSource: 0, total: 40, bytesPerSecond: 0 } }));
    const random = seededRandom(`pairs ${seed}`);
    this.#random = (limit) => Buffer.from(random(4)).readUInt32BE(0) % limit;
    for (let index = 0; index < 8; index++) {
      const at = endpoint(index % 3 === 0 ? `[2001:db8:${index}::1]:1000` : `198.18.${index}.1:1000`);
      const nonce = new Uint8Array(NONCE_BYTES);
      this.#clients.push({ pair: index >> 1, at, nonce, addresses: new Set([endpointKey(at)]) });
    }
  }

  step(): void {
    const client = this.#clients[this.#random(this.#clients.length)];
    assert.ok(client);
    const attacker = endpoint(`203.0.113.${this.#random(5)}:${1000 + this.#random(3)}`);
    const choice = this.#random(16);
    if (choice < 2) this.#say(client.at, this.#handshakeOf(client));
    else if (choice < 5) this.#say(client.at, bytes(`pair ${client.pair} ${this.#random(1000)}`));
    else if (choice === 5 && this.#random(6) === 0) this.#rebind(client);
    else if (choice === 6) this.#replay(attacker);
    else if (choice === 7) this.#say(attacker, handshake(guidOf(client.pair), OTHER_KEY));
    else if (choice === 8) this.#say(attacker, handshake(guidOf(100 + this.#random(100))));
    else if (choice === 9) this.#say(attacker, bytes('pair 0 forged'));
    else if (choice === 10) this.harness.pass(this.#random(20) === 0 ? 12_000 : this.#random(1_500));
    else if (choice > 10) this.#deliverSome();
  }

  /** The network works again, and nobody but the honest speaks: within a while every pair is there. */
  heal(): void {
    this.#inFlight.length = 0;
    this.harness.pass(40_000);
    for (let second = 0; second < 4; second++) {
      for (const client of this.#clients) this.#arrive(client.at, this.#handshakeOf(client));
      this.harness.pass(1_000);
    }
    for (const client of this.#clients) {
      const partner = this.#clients.find((other) => other !== client && other.pair === client.pair);
      const sent = this.#arrive(client.at, bytes(`pair ${client.pair} healed`));
      assert.deepEqual(
        sent.map(({ to }) => to),
        [partner && endpointKey(partner.at)],
      );
    }
  }

  /** The NAT forgot: the same host comes with another port. */
  #rebind(client: Client): void {
    client.at = { ...client.at, port: ++this.#ports };
    client.nonce = new Uint8Array(NONCE_BYTES);
    client.addresses.add(endpointKey(client.at));
    this.#say(client.at, this.#handshakeOf(client));
  }

  /** Without the extension a recording completes a half, which v0.8.2 cannot tell from a client (docs/pair-anti-replay.md). */
  #replay(attacker: Endpoint): void {
    const recorded = this.#seen[this.#random(this.#seen.length + 1)];
    if (recorded !== undefined && this.#mode === 'nonces') this.#say(attacker, recorded);
  }

  /** A third of what is said is lost; the rest comes in any order. */
  #say(from: Endpoint, packet: Uint8Array): void {
    if (packet.length >= 56) this.#seen.push(packet);
    if (this.#random(3) > 0) this.#inFlight.push({ from, packet });
  }

  #deliverSome(): void {
    for (let count = this.#random(6); count > 0 && this.#inFlight.length > 0; count--) {
      const [next] = this.#inFlight.splice(this.#random(this.#inFlight.length), 1);
      if (next !== undefined) this.#arrive(next.from, next.packet);
    }
  }

  #arrive(from: Endpoint, packet: Uint8Array): Delivery[] {
    const sent = this.harness.send(from, packet);
    assert.ok(sent.length <= 1, 'never more out than in');
    for (const delivery of sent) {
      assert.ok(delivery.packet.length <= packet.length);
      if (!this.#isChallenge(from, delivery)) this.#judge(from, packet, delivery);
    }
    return sent;
  }

  /** An answer of the relay goes back to who asked. */
  #isChallenge(from: Endpoint, { to, packet }: Delivery): boolean {
    const decoded = decodeHandshake(packet);
    if (!decoded.ok || (decoded.handshake.flags & FLAG_CHALLENGE) === 0) return false;
    assert.equal(to, endpointKey(from));
    const client = this.#clients.find(({ at }) => endpointKey(at) === to);
    const nonce = nonceOf(packet, decoded.handshake.flags);
    if (client !== undefined && nonce !== undefined) client.nonce = nonce.slice();
    return true;
  }

  #judge(from: Endpoint, packet: Uint8Array, { to, packet: out }: Delivery): void {
    assert.deepEqual(out, packet);
    const sender = this.#clients.find(({ addresses }) => addresses.has(endpointKey(from)));
    const receiver = this.#clients.find(({ addresses }) => addresses.has(to));
    assert.equal(receiver?.pair, sender?.pair, `${endpointKey(from)} reached ${to}`);
    if (receiver !== undefined) this.received += 1;
  }

  #handshakeOf({ pair, nonce }: Client): Uint8Array {
    return this.#mode === 'plain' ? handshake(guidOf(pair)) : nonceHandshake(nonce, guidOf(pair));
  }
}

function guidOf(pair: number): string {
  return (pair + 1).toString(16).padStart(32, '0');
}
