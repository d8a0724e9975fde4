import type { Endpoint } from '../../net/endpoint.ts';
import type { SocketId } from '../../net/ids.ts';
import type { Millis } from '../../net/time.ts';
import { withoutMac2 } from '../../wire/wireguard/mac.ts';
import { decodeWireguard, type Initiation } from '../../wire/wireguard/message.ts';
import { hasOurCookie, sendCookie } from './challenge.ts';
import type { Core } from './core.ts';
import { admit } from './members.ts';
import { handleProofInitiation } from './proofs.ts';
import type { RegisteredKey } from './registry.ts';
import type { Remote } from './remote.ts';
import { offer } from './routes.ts';
import { mayReceive, noteSeeking, targetsOf } from './targets.ts';

/**
 * A handshake begins. Where keys are registered, mac1 says whom it is for, and what is for none of them ends here; what the cache of the
 * source knows is free, so that garbage under a client's forged address cannot use up its budget. Otherwise nobody knows whom it is
 * for, and the budget comes first.
 */
export function handleInitiation(
  core: Core,
  at: SocketId,
  from: Endpoint,
  message: Initiation,
  packet: Uint8Array,
  now: Millis,
): undefined {
  if (core.registry.keys.length === 0) {
    if (mayInitiate(core, from, now)) passOn(core, at, from, message, packet, undefined, now);
    return;
  }
  const { proof, registry, recalls } = core;
  const isRelayed = !proof?.required || core.table.find(at, from)?.proof !== undefined;
  const recent = isRelayed ? registry.recent(from) : [];
  if (recent.length > 0) {
    if (!recalls.take(from, recent.length, now)) return core.drop('over-budget');
    const key = recent.find((one) => registry.isFor(packet, one));
    if (key !== undefined) {
      recalls.give(from, recent.length, now);
      return initiateTo(core, at, from, message, packet, key, now);
    }
  }
  if (proof !== undefined) {
    if (!proof.hashes.take(from, 1, now)) return core.drop('over-budget');
    if (proof.isFor(packet)) return handleProofInitiation(core, proof, at, from, message, packet, now);
  }
  if (!isRelayed) return core.drop('unproven');
  if (!mayInitiate(core, from, now)) return;
  core.searches.begin(
    core,
    at,
    from,
    packet,
    (_, found, copy, later) => {
      const again = decodeWireguard(copy);
      if (typeof again !== 'string' && again.type === 'initiation')
        initiateTo(core, at, from, again, copy, found, later);
    },
    now,
  );
}

function mayInitiate(core: Core, from: Endpoint, now: Millis): boolean {
  if (core.initiationBudget.take(from, 1, now)) return true;
  core.drop('over-budget');
  core.blocks.strike(from, now);
  return false;
}

function initiateTo(
  core: Core,
  at: SocketId,
  from: Endpoint,
  message: Initiation,
  packet: Uint8Array,
  key: RegisteredKey,
  now: Millis,
): undefined {
  core.registry.remember(from, key);
  const known = core.table.find(at, from);
  const showsCookie = core.config.challenge && hasOurCookie(core, from, packet, now);
  if (core.config.challenge && !showsCookie && known?.client === undefined && !known?.hasProvenAddress) {
    if (!core.initiationBudget.take(from, 1, now)) return core.drop('over-budget');
    core.drop('challenged');
    return sendCookie(core, at, from, message, key.cookieKey, now);
  }
  const remote = passOn(core, at, from, message, showsCookie ? withoutMac2(packet) : packet, key, now);
  if (showsCookie && remote !== undefined) remote.hasProvenAddress = true;
}

/** The initiator becomes a stranger, if it is not more already, and each of the targets may answer it. */
function passOn(
  core: Core,
  at: SocketId,
  from: Endpoint,
  { sender }: Initiation,
  packet: Uint8Array,
  key: RegisteredKey | undefined,
  now: Millis,
): Remote | undefined {
  const remote = admit(core, at, from, now);
  core.note(remote, packet, now);
  if (key === undefined) noteSeeking(core, remote, now);
  // Who was proven to be the one is no guess.
  const most = core.proof?.required ? Number.POSITIVE_INFINITY : core.config.fanOut;
  let sent = 0;
  let refused = 0;
  for (const target of targetsOf(core, remote, key, now)) {
    if (mayReceive(core, remote, target, key, now) && offer(core, target, sender, remote, key, now)) {
      core.send(target, packet);
      sent++;
    } else {
      refused++;
    }
    if (sent === most || refused === most) break;
  }
  if (sent + refused === 0) core.drop('no-destination');
  else if (sent === 0) core.drop('destination-over-budget');
  return remote;
}
