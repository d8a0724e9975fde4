import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { type Family, formatAddress, parseAddress } from '../net/address.ts';
import { parsePrefix, prefixContains } from '../net/prefix.ts';

/** How far an address reaches. */
export type Scope = 'global' | 'private' | 'loopback' | 'link-local';

export interface OwnAddress {
  readonly family: Family;
  /** Canonical. */
  readonly address: string;
  readonly scope: Scope;
}

type Interfaces = Readonly<Record<string, readonly Pick<NetworkInterfaceInfo, 'address'>[] | undefined>>;

/** Addresses of this machine's interfaces, as the system lists them. */
export function ownAddresses(interfaces: Interfaces = networkInterfaces()): OwnAddress[] {
  return Object.values(interfaces).flatMap((entries = []) =>
    entries.flatMap(({ address }) => {
      const bytes = parseAddress(address);
      if (bytes === undefined) return [];
      return [{ family: bytes.length === 4 ? 4 : 6, address: formatAddress(bytes), scope: scopeOf(bytes) } as const];
    }),
  );
}

/**
 * The address under which others reach this machine best: global before private. Loopback only where there is nothing else, so that
 * Culvert also runs in a bare network namespace; link-local never, because it means nothing without an interface.
 */
export function bestAddress(own: readonly OwnAddress[], family: Family): string | undefined {
  const onlyLoopback = own.every(({ scope }) => scope === 'loopback' || scope === 'link-local');
  const wanted: Scope[] = onlyLoopback ? ['loopback'] : ['global', 'private'];
  for (const scope of wanted) {
    const found = own.find((candidate) => candidate.family === family && candidate.scope === scope);
    if (found !== undefined) return found.address;
  }
  return undefined;
}

/** Whether a socket can be bound to it here. All of 127/8 can, though the system lists one. */
export function isLocal(own: readonly OwnAddress[], address: string): boolean {
  return address.startsWith('127.') || own.some((candidate) => candidate.address === address);
}

function scopeOf(bytes: Uint8Array): Scope {
  for (const [scope, prefixes] of scopes) {
    if (prefixes.some((prefix) => prefix !== undefined && prefixContains(prefix, bytes))) return scope;
  }
  return 'global';
}

const scopes: readonly [Scope, readonly ReturnType<typeof parsePrefix>[]][] = [
  ['loopback', ['127.0.0.0/8', '::1/128'].map(parsePrefix)],
  ['link-local', ['169.254.0.0/16', 'fe80::/10'].map(parsePrefix)],
  // Shared address space (RFC 6598) and unique local addresses (RFC 4193) included.
  ['private', ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'].map(parsePrefix)],
];
