import { networkInterfaces } from 'node:os';
import { type Endpoint, endpointKey } from '../../net/endpoint.ts';
import type { SocketId } from '../../net/ids.ts';
import { type Millis, SECOND } from '../../net/time.ts';

/** A client of a socket that is bound to all addresses. */
interface Known {
  readonly key: string;
  /** The address of ours that somebody with his address talked to last. */
  heard: string | undefined;
  /** Where the flows that lead to him leave from. */
  kept: string | undefined;
  /** Places of those flows. */
  readonly flows: Set<number>;
}

/**
 * Whom clients of wildcard listeners talk to, on a machine of several addresses: what goes back has to leave from there, and the routes may say
 * otherwise. Clients to whom no flow leads are forgotten when others come; so it is bounded, whoever asks.
 *
 * A sender can be forged. What is heard decides where answers to it leave from, and flows that are made later; a flow stays where it was made,
 * so that nobody sends it where a stranger's NAT lets nothing in.
 */
export class Sources {
  /** Flows whose client was heard for the first time, or after the address that they left from was gone. */
  onChange: (places: ReadonlySet<number>, address: string) => void = () => {};
  readonly #isWildcard: (socket: SocketId) => boolean;
  readonly #homes: Homes;
  readonly #heard = new Map<string, Known>();
  readonly #held = new Map<string, Known>();
  /** Whom the services are about to answer. */
  #asking: { readonly key: string; readonly local: string } | undefined;

  constructor(isWildcard: (socket: SocketId) => boolean, homes: Homes = new Homes()) {
    this.#isWildcard = isWildcard;
    this.#homes = homes;
  }

  /** A client spoke to `local`. What goes to him until `answered` is the answer. */
  heard(socket: SocketId, from: Endpoint, local: string): void {
    if (this.#homes.isEvident(local)) return;
    const key = keyOf(socket, from);
    this.#asking = { key, local };
    const known = this.#held.get(key) ?? this.#heard.get(key) ?? unknown(key);
    known.heard = local;
    if (known.flows.size === 0) this.#remember(known);
    else if (known.kept === undefined || (known.kept !== local && !this.#homes.has(known.kept))) {
      known.kept = local;
      this.onChange(known.flows, local);
    }
  }

  answered(): void {
    this.#asking = undefined;
  }

  /** Undefined: the routes know it. */
  of(socket: SocketId, to: Endpoint): string | undefined {
    if (this.#held.size === 0 && this.#heard.size === 0) return undefined;
    const key = keyOf(socket, to);
    if (this.#asking?.key === key) return this.#asking.local;
    return this.#held.get(key)?.kept ?? this.#heard.get(key)?.heard;
  }

  /** A flow leads to a client: where it is to leave from. */
  hold({ socket, remote }: Destination, place: number): string | undefined {
    if (!this.#isWildcard(socket)) return undefined;
    const key = keyOf(socket, remote);
    if (!this.#heard.has(key) && !this.#homes.areSeveral(remote.family)) return undefined;
    const known = this.#held.get(key) ?? this.#heard.get(key) ?? unknown(key);
    this.#heard.delete(key);
    this.#held.set(key, known);
    known.flows.add(place);
    known.kept = known.heard;
    return known.kept;
  }

  letGo({ socket, remote }: Destination, place: number): void {
    if (this.#held.size === 0 || !this.#isWildcard(socket)) return;
    const known = this.#held.get(keyOf(socket, remote));
    if (known === undefined) return;
    known.flows.delete(place);
    if (known.flows.size > 0) return;
    this.#held.delete(known.key);
    this.#remember(known);
  }

  /** The latest are at the end. */
  #remember(known: Known): void {
    this.#heard.delete(known.key);
    this.#heard.set(known.key, known);
    const [oldest] = this.#heard.keys();
    if (this.#heard.size > MOST_HEARD && oldest !== undefined) this.#heard.delete(oldest);
  }
}

function unknown(key: string): Known {
  return { key, heard: undefined, kept: undefined, flows: new Set() };
}

interface Destination {
  readonly socket: SocketId;
  readonly remote: Endpoint;
}

/** The addresses of this machine, which come and go. */
export class Homes {
  #readAt: Millis = Number.NEGATIVE_INFINITY;
  readonly #own: Record<4 | 6, string[]> = { 4: [], 6: [] };

  /** Whether the routes could say nothing else: the only address, or the loopback's first. */
  isEvident(address: string): boolean {
    if (address === '127.0.0.1' || address === '::1') return true;
    // Those that mean nothing without an interface, and groups, from which nobody sends.
    if (address.startsWith('fe80:') || address.startsWith('ff')) return true;
    const own = this.#of(address.includes(':') ? 6 : 4);
    return own.length === 1 && own[0] === address;
  }

  has(address: string): boolean {
    return this.#of(address.includes(':') ? 6 : 4).includes(address);
  }

  areSeveral(family: 4 | 6): boolean {
    return this.#of(family).length > 1;
  }

  #of(family: 4 | 6): readonly string[] {
    const now = performance.now();
    if (now - this.#readAt > STALE_AFTER) {
      this.#readAt = now;
      const all = Object.values(networkInterfaces()).flatMap((entries = []) => entries);
      const outer = all.filter(({ internal, address }) => !internal && !address.startsWith('fe80:'));
      for (const which of [4, 6] as const) {
        this.#own[which] = outer
          .filter(({ address }) => address.includes(':') === (which === 6))
          .map(({ address }) => address);
      }
    }
    return this.#own[family];
  }
}

function keyOf(socket: SocketId, remote: Endpoint): string {
  return `${socket} ${endpointKey(remote)}`;
}

/** Each some 200 bytes. */
const MOST_HEARD = 16_384;
/** How long a new address is not known for one. */
const STALE_AFTER: Millis = 2 * SECOND;
