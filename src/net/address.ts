/** IP version. */
export type Family = 4 | 6;

/**
 * Text of an IP address → its 4 or 16 bytes in network order; undefined when it is no address. A zone ("%eth0") is ignored.
 * IPv4-mapped IPv6 stays 16 bytes: see canonicalPeer for what a filter must look at.
 */
export function parseAddress(_text: string): Uint8Array | undefined {
  throw new Error('not built yet');
}

/** 4 or 16 bytes → canonical text (RFC 5952 for IPv6: lower case, longest run of zeros compressed, no mixed notation). */
export function formatAddress(_bytes: Uint8Array): string {
  throw new Error('not built yet');
}
