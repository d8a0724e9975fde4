import { type Prefix, parsePrefix } from '../../net/prefix.ts';

/**
 * Ranges that are not the public internet (IANA special-purpose registries, RFC 6890 and its updates): no peer lies there unless
 * the configuration says so. IPv6 forms that wrap IPv4 are here whole: on the wire of a relay they have no honest use.
 */
export const SPECIAL_RANGES: readonly Prefix[] = [
  '0.0.0.0/8', // this network
  '10.0.0.0/8', // private
  '100.64.0.0/10', // carrier-grade NAT
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link-local, cloud metadata
  '172.16.0.0/12', // private
  '192.0.0.0/24', // protocol assignments
  '192.0.2.0/24', // documentation
  '192.88.99.0/24', // 6to4 relay anycast, withdrawn
  '192.168.0.0/16', // private
  '198.18.0.0/15', // benchmarking
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, and broadcast
  // All of IPv6 but 2000::/3, global unicast (RFC 4291 §2.4): unspecified, loopback, every form that wraps IPv4, NAT64, discard …
  '::/3',
  // … segment routing, and what nobody has been given …
  '4000::/2',
  // … unique local (cloud metadata among it), link-local, site-local, multicast.
  '8000::/1',
  '2001::/32', // Teredo
  '2001:2::/48', // benchmarking
  '2001:10::/28', // ORCHID
  '2001:db8::/32', // documentation
  '2002::/16', // 6to4
  '3fff::/20', // documentation
].map(mustParse);

function mustParse(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new SyntaxError(`no prefix: ${text}`);
  return prefix;
}
