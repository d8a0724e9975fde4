import { readFileSync } from 'node:fs';

/** Rights (capabilities(7)) that Culvert can make use of. */
export type Capability = keyof typeof BITS;

/** Those of this process that are in effect. `status`: the text of /proc/self/status. */
export function heldCapabilities(status: string = ownStatus()): ReadonlySet<Capability> {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`);
  return new Set(CAPABILITIES.filter((name) => ((effective >> BITS[name]) & 1n) === 1n));
}

function ownStatus(): string {
  try {
    return readFileSync('/proc/self/status', 'utf8');
  } catch {
    return '';
  }
}

const BITS = {
  CAP_NET_BIND_SERVICE: 10n,
  CAP_NET_ADMIN: 12n,
  CAP_SYS_ADMIN: 21n,
  CAP_PERFMON: 38n,
  CAP_BPF: 39n,
} as const;
const CAPABILITIES = Object.keys(BITS) as (keyof typeof BITS)[];
