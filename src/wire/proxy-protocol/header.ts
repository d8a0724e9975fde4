import type { Endpoint } from '../../net/endpoint.ts';

/**
 * What a PROXY protocol header says: who really sent what follows, and whom he meant (the PROXY protocol, versions 1 and 2, by
 * HAProxy; sections are those of its doc/proxy-protocol.txt).
 */
export interface ProxyHeader {
  /** `local`: the proxy speaks for itself (a health check); `proxy`: for a client. */
  readonly command: 'local' | 'proxy';
  /** Undefined when the header names none: LOCAL, UNKNOWN, or unix sockets. */
  readonly addresses: ProxyAddresses | undefined;
  /** Version 2 only, in the order of the header. */
  readonly tlvs: readonly ProxyTlv[];
}

export interface ProxyAddresses {
  readonly transport: 'stream' | 'dgram';
  /** Both of one family. */
  readonly source: Endpoint;
  readonly destination: Endpoint;
}

/** Type-length-value of version 2 (§2.2.7). `value` has at most 65,535 bytes. */
export interface ProxyTlv {
  readonly type: number;
  readonly value: Uint8Array;
}

export type ProxyFault =
  | 'no-proxy-header'
  | 'malformed-proxy-header'
  | 'proxy-header-too-long'
  | 'proxy-checksum-wrong';

/** `length`: bytes of the header, behind which the data begins. `incomplete`: what is there may become a header yet. */
export type ProxyResult =
  | { readonly ok: true; readonly header: ProxyHeader; readonly length: number }
  | { readonly ok: false; readonly reason: ProxyFault | 'incomplete' };

/** A header that cannot be written as asked: a mistake of the caller. */
export class ProxyHeaderError extends Error {
  override readonly name = 'ProxyHeaderError';
  readonly code = 'CULVERT_PROXY_HEADER';
}

export function refused(reason: ProxyFault | 'incomplete'): ProxyResult {
  return { ok: false, reason };
}
