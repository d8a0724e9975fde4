import { networkInterfaces } from 'node:os';
import { isLoopback } from '../../net/address.ts';
import type { BpfMap } from '../../sys/libbpf/map.ts';
import type { KernelMaps } from './kernel-maps.ts';
import { addressKey, uint32Key } from './layout.ts';

/** Addresses of this host, as the kernel's program knows them. */
export class OwnAddresses {
  readonly #maps: Pick<KernelMaps, 'own4' | 'own6'>;
  #known: ReadonlySet<string> = new Set();
  #near: readonly string[] = [];

  constructor(maps: Pick<KernelMaps, 'own4' | 'own6'>) {
    this.#maps = maps;
  }

  /** The most used ones first, for the settings: what is of its own link alone comes last, and loopback has no place. */
  get near(): readonly string[] {
    return this.#near;
  }

  refresh(): void {
    const now = new Set(
      Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address)),
    );
    for (const address of now) {
      if (!this.#known.has(address)) this.#mapOf(address).update(addressKey(address), uint32Key(1));
    }
    for (const address of this.#known) if (!now.has(address)) this.#mapOf(address).delete(addressKey(address));
    this.#known = now;
    const wired = [...now].filter((one) => !isLoopback(one));
    this.#near = [...wired.filter((one) => !isLinkLocal(one)), ...wired.filter(isLinkLocal)];
  }

  /** Those that an earlier process knew. */
  removeUnknown(): void {
    const known = new Set([...this.#known].map((address) => addressKey(address).toString('hex')));
    for (const map of [this.#maps.own4, this.#maps.own6]) {
      for (const key of map.keys((one) => !known.has(one.toString('hex')))) map.delete(key);
    }
  }

  #mapOf(address: string): BpfMap {
    return address.includes(':') ? this.#maps.own6 : this.#maps.own4;
  }
}

function isLinkLocal(address: string): boolean {
  return address.startsWith('fe80:') || address.startsWith('169.254.');
}
