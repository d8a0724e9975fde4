import { type ProxyResult, refused } from './header.ts';
import { decodeProxyV1, looksLikeV1 } from './v1.ts';
import { decodeProxyV2, looksLikeV2 } from './v2.ts';

/** The most that a receiver must hold back before it knows. Version 1 needs 107 bytes (§2.1); version 2 could go to 64 KiB, which nobody sends. */
export const MAX_PROXY_HEADER_BYTES = 4096;

/**
 * Reads the header that `bytes` begins with, of either version; the signatures differ in their first byte (§2.3).
 * A header never comes in parts over UDP: there `incomplete` is a fault.
 */
export function decodeProxyHeader(bytes: Uint8Array): ProxyResult {
  if (looksLikeV2(bytes)) return decodeProxyV2(bytes, MAX_PROXY_HEADER_BYTES);
  if (looksLikeV1(bytes)) return decodeProxyV1(bytes);
  return refused('no-proxy-header');
}
