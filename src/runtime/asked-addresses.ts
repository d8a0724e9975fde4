import type { Engine } from '../engine/engine.ts';
import { type Family, isLoopback } from '../net/address.ts';
import type { Endpoint } from '../net/endpoint.ts';
import type { SocketId } from '../net/ids.ts';
import { type Millis, SECOND } from '../net/time.ts';
import { SystemError } from '../sys/errno.ts';
import { sourceFor } from '../sys/udp-socket.ts';
import { bestAddress, ownAddresses } from './addresses.ts';

/**
 * Which address of ours a client of a UDP listener at all addresses has asked. The engine knows where there are several to tell apart; else it is the one by
 * which others reach us, behind a NAT the `public` one, or the one that an answer leaves from.
 */
export class AskedAddresses {
  readonly #engine: Pick<Engine, 'name' | 'sourceOf'>;
  readonly #told: { readonly ipv4?: string | undefined; readonly ipv6?: string | undefined };
  #best: Readonly<Record<Family, string | undefined>> = { 4: undefined, 6: undefined };
  #bestUntil: Millis = Number.NEGATIVE_INFINITY;

  /** `told`: the configured `public` addresses. */
  constructor(
    engine: Pick<Engine, 'name' | 'sourceOf'>,
    told: { ipv4?: string | undefined; ipv6?: string | undefined },
  ) {
    this.#engine = engine;
    this.#told = told;
  }

  of(socket: SocketId, client: Endpoint): string | undefined {
    const { family } = client;
    const seen = this.#engine.sourceOf?.(socket, client);
    if (seen !== undefined) return seen;
    if (isLoopback(client.address)) return LOOPBACK[family];
    return this.#told[family === 4 ? 'ipv4' : 'ipv6'] ?? this.#routed(client);
  }

  /** Without foreign functions nobody can ask the kernel's routes in passing. */
  #routed(client: Endpoint): string | undefined {
    const routed = this.#engine.name === 'portable' ? undefined : tryRoutes(client);
    if (routed !== undefined) return routed;
    const now = performance.now();
    if (now >= this.#bestUntil) {
      const own = ownAddresses();
      this.#best = { 4: bestAddress(own, 4), 6: bestAddress(own, 6) };
      this.#bestUntil = now + STALE_AFTER;
    }
    return this.#best[client.family];
  }
}

function tryRoutes(client: Endpoint): string | undefined {
  try {
    return sourceFor(client);
  } catch (error) {
    // No descriptor is left to ask with.
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

const LOOPBACK: Readonly<Record<Family, string>> = { 4: '127.0.0.1', 6: '::1' };
/** As long an address that is new is not known. */
const STALE_AFTER: Millis = 2 * SECOND;
