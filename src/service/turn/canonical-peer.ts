/**
 * Every address that a packet to `address` (4 or 16 bytes) may end up at: the address itself first, then each IPv4 address that an
 * IPv6 form carries inside. A filter must accept all of them: to look only at what is written lets ::ffff:127.0.0.1 through
 * (CVE-2020-26262), and to compare before unwrapping lets it through again (CVE-2026-27624).
 */
export function canonicalPeer(address: Uint8Array): readonly Uint8Array[] {
  if (address.length !== 16) return [address];
  const forms = [address];
  for (const carrier of CARRIERS) {
    if (!carrier.matches(address)) continue;
    for (const read of carrier.reads) forms.push(read(address));
  }
  return forms;
}

/** A kind of IPv6 address with IPv4 inside, and where it lies. */
interface Carrier {
  readonly matches: (address: Uint8Array) => boolean;
  readonly reads: readonly ((address: Uint8Array) => Uint8Array)[];
}

const CARRIERS: readonly Carrier[] = [
  // ::ffff:a.b.c.d, IPv4-mapped (RFC 4291 §2.5.5.2).
  { matches: (a) => zero(a, 0, 10) && word(a, 10) === 0xffff, reads: [quad(12)] },
  // ::a.b.c.d, IPv4-compatible (RFC 4291 §2.5.5.1). :: and ::1 are addresses in their own right.
  { matches: (a) => zero(a, 0, 12) && !(zero(a, 12, 15) && (a[15] ?? 0) <= 1), reads: [quad(12)] },
  // ::ffff:0:a.b.c.d, IPv4-translated (SIIT, RFC 2765 §2.1).
  { matches: (a) => zero(a, 0, 8) && word(a, 8) === 0xffff && zero(a, 10, 12), reads: [quad(12)] },
  // 64:ff9b::/96, NAT64 (RFC 6052 §2.1).
  { matches: (a) => isNat64(a) && zero(a, 4, 12), reads: [quad(12)] },
  // 64:ff9b:1::/48, local NAT64 (RFC 8215), read as a /96 …
  { matches: (a) => isLocalNat64(a) && !zero(a, 12, 16), reads: [quad(12)] },
  // … and, where what would be the suffix is zero, as the shorter lengths of RFC 6052 §2.2, which step over bits 64 to 71.
  {
    matches: (a) => isLocalNat64(a) && zero(a, 13, 16),
    reads: [octets(6, 7, 9, 10), octets(7, 9, 10, 11), octets(9, 10, 11, 12)],
  },
  // 2002:aabb:ccdd::/48, 6to4 (RFC 3056 §2).
  { matches: (a) => word(a, 0) === 0x2002, reads: [quad(2)] },
  // 2001::/32, Teredo (RFC 4380 §4): the server, and the client with every bit inverted.
  { matches: (a) => word(a, 0) === 0x2001 && zero(a, 2, 4), reads: [quad(4), (a) => quad(12)(a).map((byte) => ~byte)] },
  // …:0:5efe:a.b.c.d and …:200:5efe:a.b.c.d, ISATAP (RFC 5214 §6.1).
  { matches: (a) => ((a[8] ?? 0) & ~0x02) === 0 && a[9] === 0 && word(a, 10) === 0x5efe, reads: [quad(12)] },
];

function isNat64(address: Uint8Array): boolean {
  return word(address, 0) === 0x0064 && word(address, 2) === 0xff9b;
}

function isLocalNat64(address: Uint8Array): boolean {
  return isNat64(address) && word(address, 4) === 0x0001;
}

function quad(at: number): (address: Uint8Array) => Uint8Array {
  return (address) => address.slice(at, at + 4);
}

function octets(...at: readonly [number, number, number, number]): (address: Uint8Array) => Uint8Array {
  return (address) => Uint8Array.from(at, (index) => address[index] ?? 0);
}

function word(address: Uint8Array, at: number): number {
  return ((address[at] ?? 0) << 8) | (address[at + 1] ?? 0);
}

function zero(address: Uint8Array, from: number, to: number): boolean {
  for (let index = from; index < to; index++) {
    if (address[index] !== 0) return false;
  }
  return true;
}
