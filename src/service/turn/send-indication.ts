import type { Millis } from '../../net/time.ts';
import type { DecodedMessage } from '../../wire/stun/codec.ts';
import type { Allocation } from './allocation.ts';
import type { Core } from './core.ts';
import { relayToPeer } from './relaying.ts';

/** RFC 8656 §11.2. Never answered, never refreshes the permission. */
export function handleSendIndication(
  core: Core,
  allocation: Allocation,
  message: DecodedMessage,
  now: Millis,
): undefined {
  const { xorPeerAddresses, data, dontFragment } = message.attributes;
  const peer = xorPeerAddresses?.[0];
  if (peer === undefined || data === undefined) return core.drop('malformed-indication');
  if (dontFragment && !core.config.canSetDontFragment) return core.drop('unknown-attribute');
  const refusal = core.filter.refuse(peer);
  if (refusal !== undefined) return core.drop(refusal);
  return relayToPeer(core, allocation, peer, data, dontFragment === true, now);
}
