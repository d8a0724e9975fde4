import type { Endpoint } from '../../../src/net/endpoint.ts';
import type { Millis } from '../../../src/net/time.ts';
import { SECOND } from '../../../src/net/time.ts';
import type { BlockList } from '../../../src/service/block-list.ts';
import type { WireguardConfig } from '../../../src/service/wireguard/config.ts';
import { endpoint, Relay, testConfig } from './harness.ts';
import { Peer } from './peer.ts';

/** Peers round one relay. Packets travel one after the other, so that nobody is called in the middle of something. */
export class World {
  readonly relay: Relay;
  readonly peers = new Map<string, Peer>();
  /** Whether a packet arrives; both ways. */
  arrives: (packet: Uint8Array) => boolean = () => true;
  readonly #underway: (() => void)[] = [];

  constructor(config: Partial<WireguardConfig> = {}, seed: string | number = 1, blocks?: BlockList) {
    this.relay = new Relay(testConfig(config), seed, blocks);
    this.relay.onSent = ({ to, packet }) => {
      this.#underway.push(() => {
        for (const peer of this.peers.values()) {
          const { address, port } = peer.endpoint;
          if (port === to.port && address === to.address && this.arrives(packet)) peer.take(packet);
        }
      });
    };
  }

  peer(name: string, at: string): Peer {
    const peer = new Peer(name, endpoint(at), (from, packet) => this.send(from, packet));
    this.peers.set(name, peer);
    return peer;
  }

  /** A packet with any source address: an attacker writes what he likes. */
  send(from: Endpoint, packet: Uint8Array): void {
    this.#underway.push(() => this.arrives(packet) && this.relay.receive(from, packet));
  }

  /** Everything that is under way arrives, and what it causes. */
  settle(): void {
    for (let next = this.#underway.shift(); next !== undefined; next = this.#underway.shift()) next();
  }

  pass(duration: Millis): void {
    this.settle();
    this.relay.pass(duration);
    this.settle();
  }

  /** Both try every 5 s, as interfaces with something to send do; the time until there is a session. */
  connect(one: Peer, other: Peer, patience: Millis = 90 * SECOND): Millis | undefined {
    for (let waited = 0; waited <= patience; waited += 5 * SECOND) {
      one.initiate(other.name);
      other.initiate(one.name);
      this.settle();
      this.relay.pass(100);
      this.settle();
      if (one.hasSession(other.name) && other.hasSession(one.name)) return waited;
      this.pass(5 * SECOND - 100);
    }
    return undefined;
  }
}
