import type { Endpoint } from '../../net/endpoint.ts';
import { sameEndpoint } from '../../net/endpoint.ts';
import type { Millis } from '../../net/time.ts';
import { CHANNEL_MAX, CHANNEL_MAX_RFC5766, CHANNEL_MIN } from '../../wire/turn/channel-data.ts';
import { type Allocation, Channel } from './allocation.ts';
import type { AuthenticatedRequest } from './auth.ts';
import { refusePeer } from './blocking.ts';
import { chained, countOf } from './chain.ts';
import type { Core } from './core.ts';
import { installFlows } from './flows.ts';
import { CHANNEL_LIFETIME, PERMISSION_LIFETIME } from './lifetime.ts';
import { permit } from './permissions.ts';
import type { Refusal } from './reasons.ts';
import { refuse, replyToAuthenticated, succeed } from './responses.ts';
import { reschedule } from './timers.ts';

/** RFC 8656 §12.2 */
export function handleChannelBind(
  core: Core,
  allocation: Allocation,
  request: AuthenticatedRequest,
  now: Millis,
): undefined {
  const to = replyToAuthenticated(allocation.client, request);
  const { channelNumber: number, xorPeerAddresses } = request.message.attributes;
  const peer = xorPeerAddresses?.[0];
  if (number === undefined) return refuse(core, to, 'no-channel-number');
  if (peer === undefined) return refuse(core, to, 'no-peer-address');
  const refusal =
    (isChannel(core, number) ? undefined : 'channel-out-of-range') ??
    findConflict(allocation, number, peer) ??
    (allocation.relay(peer.family) === undefined ? 'family-mismatch' : undefined) ??
    refusePeer(core, peer, now) ??
    findShortage(core, allocation, number, peer);
  if (refusal !== undefined) return refuse(core, to, refusal);

  bind(core, allocation, number, peer, now);
  reschedule(core, allocation);
  return succeed(core, to, {});
}

/** RFC 5766 clients choose up to 0x7FFF; RFC 8656 §12 reserves what is above 0x4FFF. */
function isChannel(core: Core, number: number): boolean {
  return number >= CHANNEL_MIN && number <= (core.config.strictChannels ? CHANNEL_MAX : CHANNEL_MAX_RFC5766);
}

/** A channel has one peer and a peer has one channel; the same pair again is a refresh. */
function findConflict(allocation: Allocation, number: number, peer: Endpoint): Refusal | undefined {
  const bound = allocation.channelByNumber(number);
  if (bound !== undefined) return sameEndpoint(bound.peer, peer) ? undefined : 'channel-taken';
  return allocation.channelByPeer(peer) === undefined ? undefined : 'peer-has-channel';
}

function findShortage(core: Core, allocation: Allocation, number: number, peer: Endpoint): Refusal | undefined {
  const { channels, permissions } = allocation;
  const { maxChannels, maxPermissions } = core.config;
  if (allocation.channelByNumber(number) === undefined && countOf(channels) >= maxChannels) return 'too-many-channels';
  if (allocation.permission(peer.address) !== undefined) return undefined;
  return countOf(permissions) >= maxPermissions ? 'too-many-permissions' : undefined;
}

function bind(core: Core, allocation: Allocation, number: number, peer: Endpoint, now: Millis): undefined {
  let channel = allocation.channelByNumber(number);
  if (channel === undefined) {
    channel = new Channel(number, peer, now + CHANNEL_LIFETIME);
    allocation.channels = chained(allocation.channels, channel);
  }
  channel.expiresAt = now + CHANNEL_LIFETIME;
  permit(core, allocation, channel.peer.address, now, channelPermissionLifetime(core));
  installFlows(core, allocation, channel);
}

/**
 * RFC 8656 §12.2: five minutes. Firezone's relay has no permissions, and its clients bind a channel again only after those five minutes
 * have gone by: where their credentials are served, the permission lasts as long as the channel, or calls would stop for a moment.
 */
function channelPermissionLifetime({ config }: Core): Millis {
  return config.credentials.stampSecrets.length > 0 ? CHANNEL_LIFETIME : PERMISSION_LIFETIME;
}
