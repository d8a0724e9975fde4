import { FewMap } from './few-map.ts';

/**
 * Values by remote endpoint. A look-up builds no key string: address → port → value, the single port of a host inline.
 * Neither many hosts on one port (WireGuard) nor many ports of one host (carrier-grade NAT) make a chain to walk.
 */
export class EndpointMap<T> {
  readonly #hosts = new Map<string, FewMap<T>>();

  /** `address` in canonical text, as in Endpoint; the two families never collide. */
  get(address: string, port: number): T | undefined {
    return this.#hosts.get(address)?.get(port);
  }

  set(address: string, port: number, value: T): void {
    let host = this.#hosts.get(address);
    if (host === undefined) {
      host = new FewMap();
      this.#hosts.set(address, host);
    }
    host.set(port, value);
  }

  delete(address: string, port: number): void {
    const host = this.#hosts.get(address);
    if (host === undefined) return;
    host.delete(port);
    if (host.size === 0) this.#hosts.delete(address);
  }
}
