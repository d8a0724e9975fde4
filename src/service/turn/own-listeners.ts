import { isLoopback, isWildcard } from '../../net/address.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import type { RelayAddress, TurnConfig } from './config.ts';

/** Where we listen ourselves, by port. A relay that sends to its own listeners loops, or opens its administration to every client. */
export class OwnListeners {
  readonly #byPort = new Map<number, Set<string>>();
  readonly #wildcardPorts = new Set<number>();
  readonly #ownAddresses: ReadonlySet<string>;
  /** Both names of an address behind a static NAT lead to the same listener. */
  readonly #otherName = new Map<string, string>();
  /** Where only the outer name is known, it may lead to any address of ours. */
  readonly #outerNames: readonly string[];

  constructor(config: Pick<TurnConfig, 'ownEndpoints' | 'ownAddresses' | 'relay'>) {
    const relays = [config.relay.ipv4, config.relay.ipv6].filter((relay) => relay !== undefined);
    for (const relay of relays) this.#pairNames(relay);
    this.#outerNames = relays.filter(({ bind }) => isWildcard(bind)).map(({ advertised }) => advertised);
    this.#ownAddresses = new Set([
      ...config.ownAddresses,
      ...relays.flatMap((relay) => [relay.advertised, relay.bind]),
    ]);
    for (const endpoint of config.ownEndpoints) this.#add(endpoint);
  }

  /** Whether any listener has this port: the quick answer for nearly every peer. */
  listensAt(port: number): boolean {
    return this.#byPort.has(port);
  }

  /** `address` is canonical text. */
  has(address: string, port: number): boolean {
    const addresses = this.#byPort.get(port);
    if (addresses === undefined) return false;
    // Linux delivers what is sent to the unspecified address to the machine itself.
    if (addresses.has(address) || isWildcard(address)) return true;
    return this.#wildcardPorts.has(port) && (this.#ownAddresses.has(address) || isLoopback(address));
  }

  #pairNames({ advertised, bind }: RelayAddress): void {
    this.#otherName.set(advertised, bind);
    this.#otherName.set(bind, advertised);
  }

  #add({ address, port }: Endpoint): void {
    const addresses = this.#byPort.get(port) ?? new Set();
    this.#byPort.set(port, addresses.add(address));
    const otherName = this.#otherName.get(address);
    if (otherName !== undefined) addresses.add(otherName);
    if (!isLoopback(address)) for (const name of this.#outerNames) addresses.add(name);
    if (isWildcard(address)) this.#wildcardPorts.add(port);
  }
}
