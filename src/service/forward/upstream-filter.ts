import { parseAddress } from '../../net/address.ts';
import { type Prefix, parsePrefix, prefixContains } from '../../net/prefix.ts';
import { canonicalPeer } from '../turn/canonical-peer.ts';

/**
 * Where no name may lead: this machine itself, the link and its metadata services, everybody at once. Who owns a name decides what
 * it resolves to, and he is not the one who wrote the configuration. An address that is written there stands for itself.
 */
export function isSafeAnswer(name: string, address: string): boolean {
  // RFC 6761 §6.3: these names mean loopback and nothing else, so they are as good as written.
  if (/^(?:.*\.)?localhost\.?$/i.test(name)) return true;
  const bytes = parseAddress(address);
  return (
    bytes !== undefined && canonicalPeer(bytes).every((form) => !UNSAFE.some((prefix) => prefixContains(prefix, form)))
  );
}

const UNSAFE: readonly Prefix[] = [
  '0.0.0.0/8', // this network: Linux takes it for loopback
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link-local, cloud metadata
  '192.0.0.192/32', // metadata of one cloud
  '100.100.100.200/32', // metadata of another
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, and broadcast
  '::/128', // unspecified
  '::1/128', // loopback
  'fd00:ec2::254/128', // cloud metadata
  'fe80::/10', // link-local
  'ff00::/8', // multicast
].map(mustParse);

function mustParse(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new SyntaxError(`no prefix: ${text}`);
  return prefix;
}
