import { lookup, Resolver } from 'node:dns/promises';
import { formatAddress, parseAddress } from '../net/address.ts';
import type { Resolution } from '../net/resolution.ts';
import { type Millis, SECOND } from '../net/time.ts';

/**
 * A name's addresses with their TTL, from DNS. What DNS does not know, the system may: the hosts file, mDNS, a container's own names;
 * those answers have no TTL and are asked for again after 10 s.
 */
export async function resolveName(name: string): Promise<Resolution> {
  const resolver = new Resolver({ timeout: 3 * SECOND, tries: 2 });
  const [ipv4, ipv6] = await Promise.allSettled([
    resolver.resolve4(name, { ttl: true }),
    resolver.resolve6(name, { ttl: true }),
  ]);
  const records = [ipv4, ipv6].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  if (records.length === 0) return lookUp(name);
  const ttl = Math.min(...records.map((record) => record.ttl)) * SECOND;
  return { ok: true, addresses: canonical(records.map(({ address }) => address)), ttl };
}

async function lookUp(name: string): Promise<Resolution> {
  try {
    const found = await lookup(name, { all: true, order: 'ipv4first' });
    return { ok: true, addresses: canonical(found.map(({ address }) => address)), ttl: WITHOUT_TTL };
  } catch (error) {
    return { ok: false, detail: (error as NodeJS.ErrnoException).code ?? String(error) };
  }
}

function canonical(addresses: readonly string[]): string[] {
  return addresses.flatMap((text) => {
    const bytes = parseAddress(text);
    return bytes === undefined ? [] : [formatAddress(bytes)];
  });
}

const WITHOUT_TTL: Millis = 10 * SECOND;
