import { parseAddress } from '../../net/address.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import type { Remote } from './remote.ts';
import { Rota } from './rota.ts';

/**
 * Endpoints that proved nothing yet. One network can make up as many as it likes, so they are kept by network (/24 or /64) too: then it
 * takes room and turns from itself first.
 */
export class Strangers {
  readonly all = new Rota<Remote>();
  readonly networks = new Rota<Rota<Remote>>();
  readonly #byName = new Map<string, Rota<Remote>>();

  get size(): number {
    return this.all.size;
  }

  /** New, or heard of again. */
  add(remote: Remote): void {
    const name = networkOf(remote.endpoint);
    let network = this.#byName.get(name);
    if (network === undefined) {
      this.#byName.set(name, (network = new Rota()));
      this.networks.add(network);
    }
    network.add(remote);
    this.all.add(remote);
  }

  delete(remote: Remote): void {
    if (!this.all.has(remote)) return;
    this.all.delete(remote);
    const name = networkOf(remote.endpoint);
    const network = this.#byName.get(name);
    network?.delete(remote);
    if (network === undefined || network.size > 0) return;
    this.#byName.delete(name);
    this.networks.delete(network);
  }

  networkOf({ endpoint }: Remote): Rota<Remote> | undefined {
    return this.#byName.get(networkOf(endpoint));
  }

  /** Who makes room for a newcomer: the one longest unheard of in its network when that has its share already, else of all. */
  givingWayTo(newcomer: Endpoint): Remote | undefined {
    const network = this.#byName.get(networkOf(newcomer));
    const isFull = network !== undefined && network.size * this.networks.size >= this.size;
    return isFull ? network.oldest : this.all.oldest;
  }
}

function networkOf({ address }: Endpoint): string {
  const bytes = parseAddress(address);
  return bytes === undefined ? '' : bytes.subarray(0, bytes.length === 4 ? 3 : 8).join('.');
}
