import type { Endpoint } from '../../net/endpoint.ts';
import { UNIX_ENDPOINT } from '../../net/stream-target.ts';
import type { ProxyAddresses, ProxyTlv } from '../../wire/proxy-protocol/header.ts';
import { encodeProxyV1 } from '../../wire/proxy-protocol/v1.ts';
import { encodeProxyV2, TLV_CRC32C } from '../../wire/proxy-protocol/v2.ts';
import type { ForwardRule } from './config.ts';
import { NOTHING } from './connection.ts';

/** For whom a header speaks. */
interface Sender {
  readonly source: Endpoint;
  readonly destination: Endpoint;
  /** Of the header that came in; they are passed on. */
  readonly tlvs: readonly ProxyTlv[];
}

/** The header in front of what goes to the upstream; empty when there is none. */
export function proxyHeaderFor(
  version: ForwardRule['proxyOut'],
  transport: ProxyAddresses['transport'],
  { source, destination, tlvs }: Sender,
): Uint8Array {
  if (version === 'off') return NOTHING;
  // A client of a unix socket has no addresses, and one header cannot name two families.
  const named = source !== UNIX_ENDPOINT && source.family === destination.family;
  const addresses = named ? { transport, source, destination } : undefined;
  if (version === 'v1') return encodeProxyV1({ command: 'proxy', addresses });
  // A checksum that came in covers another header.
  return encodeProxyV2({ command: 'proxy', addresses, tlvs: tlvs.filter(({ type }) => type !== TLV_CRC32C) });
}
