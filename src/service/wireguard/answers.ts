import type { Endpoint } from '../../net/endpoint.ts';
import type { SocketId } from '../../net/ids.ts';
import type { Millis } from '../../net/time.ts';
import type { CookieReply, Data, Response } from '../../wire/wireguard/message.ts';
import { takeRate } from '../rates.ts';
import type { Core } from './core.ts';
import { admit } from './members.ts';
import { handleProofCookie, handleProofData } from './proofs.ts';
import type { RegisteredKey } from './registry.ts';
import type { Route } from './remote.ts';
import { answer, confirm } from './routes.ts';

/**
 * What names a receiver goes where (source endpoint, receiver index) says, or nowhere.
 *
 *     A ──initiation i──▶ B        offered: B may answer to i
 *     A ◀──response j, i── B       answered: A may speak to j
 *     A ──data j──▶ B              live: j came from B through us to A, so A is where it says it is, and B echoed i
 *     A ◀──data i── B              only now; until then B was sent initiations, and A what it asked for
 */
export function handleResponse(
  core: Core,
  at: SocketId,
  from: Endpoint,
  message: Response,
  packet: Uint8Array,
  now: Millis,
): undefined {
  const route = core.table.find(at, from)?.routes.get(message.receiver);
  if (route === undefined || !route.to.isKnown) return core.drop('unknown-receiver');
  if (route.ofInitiator) return core.drop('unconfirmed');
  // The same response again: the network's duplicate, or the first was lost behind us.
  if (route.back !== undefined) {
    if (route.back.index !== message.sender) return core.drop('repeated-answer');
    return passUnconfirmed(core, route, packet, now);
  }
  if (core.registry.keys.length === 0) return acceptResponse(core, route, message.sender, packet, undefined, now);
  // mac1 of a response is for the initiator: now it is known whose the other end is.
  const { registry } = core;
  const { sender } = message;
  const known = [...route.to.keys, ...registry.recent(from)].find((key) => registry.isFor(packet, key));
  if (known !== undefined) return acceptResponse(core, route, sender, packet, known, now);
  core.searches.beginAnswer(
    core,
    at,
    from,
    packet,
    (_, key, copy, later) => {
      if (route.from.routes.get(route.index) === route && route.back === undefined) {
        acceptResponse(core, route, sender, copy, key, later);
      }
    },
    now,
  );
}

function acceptResponse(
  core: Core,
  route: Route,
  sender: number,
  packet: Uint8Array,
  initiatorKey: RegisteredKey | undefined,
  now: Millis,
): undefined {
  if (core.proof?.required && route.to.proof?.key !== initiatorKey) return core.drop('unproven');
  if (initiatorKey !== undefined) core.registry.remember(route.from.endpoint, initiatorKey);
  if (answer(core, route, sender, initiatorKey, now)) passUnconfirmed(core, route, packet, now);
}

/** A peer under load answers an initiation, or a response, with a cookie. */
export function handleCookieReply(
  core: Core,
  at: SocketId,
  from: Endpoint,
  message: CookieReply,
  packet: Uint8Array,
  now: Millis,
): undefined {
  const route = core.table.find(at, from)?.routes.get(message.receiver);
  const session = core.proof?.sessions.get(message.receiver);
  if (route === undefined && session !== undefined) return handleProofCookie(core, session, message, now);
  if (route === undefined || !route.to.isKnown) return core.drop('unknown-receiver');
  if (route.stage === 'live') return pass(core, route, packet, now);
  passUnconfirmed(core, route, packet, now);
}

export function handleData(
  core: Core,
  at: SocketId,
  from: Endpoint,
  message: Data,
  packet: Uint8Array,
  now: Millis,
): undefined {
  const { receiver } = message;
  const remote = core.table.find(at, from);
  const route = remote?.routes.get(receiver);
  if (route === undefined) {
    const session = core.proof?.sessions.get(receiver);
    if (session !== undefined && handleProofData(core, session, at, from, message, packet, now)) return;
    if (remote?.client === undefined) recogniseMove(core, at, from, receiver, now);
    return core.drop('unknown-receiver');
  }
  if (route.stage === 'live') return pass(core, route, packet, now);
  const { back } = route;
  // The responder waits for the initiator's first packet (whitepaper §5.1): whoever does not is none.
  if (!route.ofInitiator || back === undefined) return core.drop('unconfirmed');
  if (confirm(core, route, back, now)) pass(core, route, packet, now);
}

/**
 * Data with an index of a client, from somewhere else: that client may have moved, and will not know for up to two minutes if it only
 * listens. So the new place is sent initiations that are for the old one, as a stranger: who guesses an index gets no more.
 */
function recogniseMove(core: Core, at: SocketId, from: Endpoint, index: number, now: Millis): void {
  const route = core.table.indices.get(index);
  if (route === undefined || !core.initiationBudget.take(from, 1, now)) return;
  const remote = admit(core, at, from, now);
  const successors = (route.from.successors ??= new Set());
  if (successors.has(remote)) return;
  for (const old of successors) if (!old.isKnown || successors.size >= SUCCESSORS) successors.delete(old);
  successors.add(remote);
}

function passUnconfirmed(core: Core, route: Route, packet: Uint8Array, now: Millis): undefined {
  if (route.allowance === 0) return core.drop('repeated-answer');
  route.allowance--;
  pass(core, route, packet, now);
}

function pass(core: Core, { from, to }: Route, packet: Uint8Array, now: Millis): undefined {
  core.note(from, packet, now);
  if (!takeRate(core, from, 'to_peer', packet.length, now)) return core.drop('rate-limited');
  core.send(to, packet);
}

const SUCCESSORS = 2;
