import { type Endpoint, endpointKey } from '../../net/endpoint.ts';
import type { Millis } from '../../net/time.ts';
import { cookieKey, hasMac1, mac1Key } from '../../wire/wireguard/mac.ts';
import type { PeerConfig } from './config.ts';
import type { ProofSession } from './proof.ts';
import type { Remote } from './remote.ts';

/** A public key of the configuration, and where its owner was seen. */
export class RegisteredKey {
  /** For people; a new configuration may change it. */
  name: string;
  readonly publicKey: Uint8Array;
  readonly mac1Key: Uint8Array;
  readonly cookieKey: Uint8Array;
  /** Clients that seem to be its owner: one, or two for a while after a move. A later one never drives out a live one. */
  readonly remotes = new Set<Remote>();
  /** Those that proved it, the latest last. */
  readonly proven = new Set<Remote>();
  /** With this relay itself, oldest first. */
  sessions: ProofSession[] = [];
  /** Of the latest initiation for this relay: an earlier one is a recording. */
  timestamp: Uint8Array = new Uint8Array(12);
  /** What its owner and this relay have in common, once computed. */
  shared: Uint8Array | undefined = undefined;
  /** What its owner wants to see when it is under load. */
  cookie: { readonly value: Uint8Array; readonly until: Millis } | undefined = undefined;

  constructor({ name, publicKey }: PeerConfig) {
    this.name = name;
    this.publicKey = publicKey;
    this.mac1Key = mac1Key(publicKey);
    this.cookieKey = cookieKey(publicKey);
  }
}

/** The registered keys, and which of them each source last spoke to: so the usual initiation costs a hash or two, not one per key. */
export class Registry {
  keys: readonly RegisteredKey[] = [];
  /** So many were computed to tell whom messages are for. */
  hashes = 0;
  /** Least recently used first. */
  readonly #recent = new Map<string, RegisteredKey[]>();
  #byPublicKey: ReadonlyMap<string, RegisteredKey> = new Map();

  constructor(peers: readonly PeerConfig[]) {
    this.update(peers);
  }

  /** Keys that stay keep what is known of them; the answer is those that are gone. */
  update(peers: readonly PeerConfig[]): RegisteredKey[] {
    const before = this.#byPublicKey;
    this.keys = peers.map((peer) => {
      const key = before.get(nameOf(peer.publicKey)) ?? new RegisteredKey(peer);
      key.name = peer.name;
      return key;
    });
    this.#byPublicKey = new Map(this.keys.map((key) => [nameOf(key.publicKey), key]));
    const stays = new Set(this.keys);
    const gone = new Set([...before.values()].filter((key) => !stays.has(key)));
    for (const [source, known] of this.#recent) {
      const left = known.filter((key) => !gone.has(key));
      if (left.length === 0) this.#recent.delete(source);
      else this.#recent.set(source, left);
    }
    return [...gone];
  }

  byPublicKey(publicKey: Uint8Array): RegisteredKey | undefined {
    return this.#byPublicKey.get(nameOf(publicKey));
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

/** As configurations and snapshots write it. */
export function nameOf(publicKey: Uint8Array): string {
  return Buffer.from(publicKey).toString('base64');
}

const SOURCES = 16_384;
const KEYS_OF_A_SOURCE = 16;
