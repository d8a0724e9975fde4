import { keyPairOf } from '../../../src/wire/wireguard/x25519.ts';
import { Initiator } from '../../wire/wireguard/initiator.ts';
import { seededRandom } from '../seeded.ts';
import { endpoint, privateKeyOf, registered } from './harness.ts';
import { World } from './world.ts';

const RELAY = privateKeyOf('the relay');

/** A world whose relay is a peer of alice, bob and carol. */
export function provingWorld(
  changes: ConstructorParameters<typeof World>[0] & { required?: boolean } = {},
  seed: string | number = 1,
): World {
  const { required = false, ...config } = changes;
  const proof = { privateKey: RELAY, required, agreementsPerSecond: 1000 };
  return new World({ peers: registered('alice', 'bob', 'carol'), proof, hashesPerSecond: 20_000, ...config }, seed);
}

/** The owner of a key that has the relay as one more peer. */
export class Prover {
  readonly initiator: Initiator;
  readonly #world: World;
  #endpoint: ReturnType<typeof endpoint>;
  #index = 1000;

  constructor(world: World, name: string, at: string) {
    this.#world = world;
    this.#endpoint = endpoint(at);
    this.initiator = new Initiator(privateKeyOf(name), keyPairOf(RELAY).publicKey, seededRandom(`prover ${name}`));
  }

  /** A handshake, and the keepalive that ends it. False when it was not answered. */
  prove(): boolean {
    if (!this.shake()) return false;
    this.send(this.initiator.data());
    return true;
  }

  shake(): boolean {
    const heard = this.send(this.initiator.initiate(++this.#index));
    for (const packet of heard) if (packet[0] === 3) this.initiator.takeCookie(packet);
    return heard.some((packet) => this.initiator.takeResponse(packet));
  }

  /** What comes back. */
  send(packet: Uint8Array, from: string | undefined = undefined): Uint8Array[] {
    const at = from === undefined ? this.#endpoint : endpoint(from);
    const { relay } = this.#world;
    const before = relay.sentTo(at).length;
    // A slice of a Buffer is no copy, and the relay wipes what it was given.
    this.#world.send(at, new Uint8Array(packet));
    this.#world.settle();
    return relay.sentTo(at).slice(before);
  }

  move(to: string): void {
    this.#endpoint = endpoint(to);
  }
}
