import { type Endpoint, endpointKey } from '../../net/endpoint.ts';
import { cookieKey, hasMac1, mac1Key } from '../../wire/wireguard/mac.ts';
import type { PeerConfig } from './config.ts';
import type { Remote } from './remote.ts';

/** A public key of the configuration, and where its owner was seen. */
export class RegisteredKey {
  readonly name: string;
  readonly publicKey: Uint8Array;
  readonly mac1Key: Uint8Array;
  readonly cookieKey: Uint8Array;
  /** Clients that seem to be its owner: one, or two for a while after a move. A later one never drives out a live one. */
  readonly remotes = new Set<Remote>();

  constructor({ name, publicKey }: PeerConfig) {
    this.name = name;
    this.publicKey = publicKey;
    this.mac1Key = mac1Key(publicKey);
    this.cookieKey = cookieKey(publicKey);
  }
}

/** The registered keys, and which of them each source last spoke to: so the usual initiation costs a hash or two, not one per key. */
export class Registry {
  readonly keys: readonly RegisteredKey[];
  /** So many were computed to tell whom messages are for. */
  hashes = 0;
  /** Least recently used first. */
  readonly #recent = new Map<string, RegisteredKey[]>();

  constructor(peers: readonly PeerConfig[]) {
    this.keys = peers.map((peer) => new RegisteredKey(peer));
  }

  /** Whether an initiation or response is for the owner of that key: a hash. */
  isFor(packet: Uint8Array, key: RegisteredKey): boolean {
    this.hashes++;
    return hasMac1(packet, key.mac1Key);
  }

  /** Whom the source's messages were for, latest first. */
  recent(from: Endpoint): readonly RegisteredKey[] {
    return this.#recent.get(endpointKey(from)) ?? [];
  }

  remember(from: Endpoint, key: RegisteredKey): void {
    const source = endpointKey(from);
    const known = this.#recent.get(source) ?? [];
    this.#recent.delete(source);
    this.#recent.set(source, [key, ...known.filter((other) => other !== key)].slice(0, KEYS_OF_A_SOURCE));
    if (this.#recent.size <= SOURCES) return;
    const [oldest] = this.#recent.keys();
    if (oldest !== undefined) this.#recent.delete(oldest);
  }
}

const SOURCES = 16_384;
const KEYS_OF_A_SOURCE = 16;
