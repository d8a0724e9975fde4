import type { Endpoint } from '../../net/endpoint.ts';
import type { Millis } from '../../net/time.ts';
import type { DecodedMessage } from '../../wire/stun/codec.ts';
import type { Allocation } from './allocation.ts';
import { refusePeer } from './blocking.ts';
import { StreamClient } from './client.ts';
import type { Core } from './core.ts';
import { relayToPeer } from './relaying.ts';

/** RFC 8656 §11.2. Never answered, never refreshes the permission. */
export function handleSendIndication(
  core: Core,
  allocation: Allocation,
  message: DecodedMessage,
  now: Millis,
): undefined {
  const { xorPeerAddresses, data } = message.attributes;
  const peer = xorPeerAddresses?.[0];
  if (peer === undefined || data === undefined) return core.drop('malformed-indication');
  const dontFragment = message.attributes.dontFragment === true && heedsDontFragment(allocation, peer);
  if (dontFragment && !core.config.canSetDontFragment) return core.drop('unknown-attribute');
  const refusal = refusePeer(core, peer, now);
  if (refusal !== undefined) return core.drop(refusal);
  return relayToPeer(core, allocation, peer, data, dontFragment, now);
}

/** RFC 8656 §13: where IPv6 is on either side "the DONT-FRAGMENT attribute MUST be ignored", but not for what came over TCP (§15). */
function heedsDontFragment({ client }: Allocation, peer: Endpoint): boolean {
  return client instanceof StreamClient || (client.endpoint.family === 4 && peer.family === 4);
}
