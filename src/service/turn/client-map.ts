import type { Endpoint } from '../../net/endpoint.ts';
import type { Allocation } from './allocation.ts';

/**
 * The allocations at one listener, by client endpoint: address → allocation, or address → port → allocation once a host has several.
 * No key is built for a look-up, and the usual host of one client weighs one entry and no string of its own.
 */
export class ClientMap {
  readonly #hosts = new Map<string, Host>();

  get empty(): boolean {
    return this.#hosts.size === 0;
  }

  get({ address, port }: Endpoint): Allocation | undefined {
    const host = this.#hosts.get(address);
    if (host instanceof Map) return host.get(port);
    return host !== undefined && portOf(host) === port ? host : undefined;
  }

  /** Of a client on UDP. */
  set(allocation: Allocation): void {
    const { address, port } = allocation.client.endpoint;
    const host = this.#hosts.get(address);
    if (host instanceof Map) host.set(port, allocation);
    else if (host === undefined || portOf(host) === port) this.#hosts.set(address, allocation);
    else this.#hosts.set(address, new Map([host, allocation].map((one) => [portOf(one), one])));
  }

  delete({ address, port }: Endpoint): void {
    const host = this.#hosts.get(address);
    if (host instanceof Map) {
      host.delete(port);
      if (host.size === 0) this.#hosts.delete(address);
    } else if (host !== undefined && portOf(host) === port) {
      this.#hosts.delete(address);
    }
  }

  *values(): IterableIterator<Allocation> {
    for (const host of this.#hosts.values()) {
      if (host instanceof Map) yield* host.values();
      else yield host;
    }
  }
}

type Host = Allocation | Map<number, Allocation>;

function portOf(allocation: Allocation): number {
  return allocation.client.endpoint.port;
}
