import type { Endpoint } from '../../net/endpoint.ts';
import type { SocketId } from '../../net/ids.ts';
import { MINUTE, type Millis, SECOND } from '../../net/time.ts';
import { open, seal } from '../../wire/wireguard/aead.ts';
import { openCookieReply } from '../../wire/wireguard/cookie.ts';
import { sign } from '../../wire/wireguard/mac.ts';
import { type CookieReply, type Data, encodeWireguard, type Initiation } from '../../wire/wireguard/message.ts';
import { type Authenticated, readStatic, readTimestamp, respond } from '../../wire/wireguard/noise.ts';
import { agree, keyPairOf } from '../../wire/wireguard/x25519.ts';
import { hasOurCookie, sendCookie } from './challenge.ts';
import type { Core } from './core.ts';
import { type Proof, ProofSession } from './proof.ts';
import { prove } from './proven.ts';
import type { RegisteredKey } from './registry.ts';
import type { WorkBudget } from './work-budget.ts';

/** An initiation whose mac1 is for us. Everybody may know our public key, so it says nothing yet. */
export function handleProofInitiation(
  core: Core,
  proof: Proof,
  at: SocketId,
  from: Endpoint,
  message: Initiation,
  packet: Uint8Array,
  now: Millis,
): undefined {
  const showsCookie = hasOurCookie(core, from, packet, now);
  const budget = showsCookie ? proof.shown : proof.unshown;
  if (!budget.take(from, AGREEMENTS, now)) {
    if (showsCookie) return core.drop('over-budget');
    core.drop('challenged');
    return sendCookie(core, at, from, message, proof.cookieKey, now);
  }
  const authenticated = authenticate(core, proof, budget, from, message, now);
  if (authenticated === undefined) return;
  const { key, peer } = authenticated;
  const session = answer(core, proof, key, peer, message, now);
  if (session === undefined) return core.drop('failed-proof');
  proof.hashes.give(from, 1, now);
  core.orders.add({ type: 'send', from: at, to: from, packet: session });
}

/** Who it is, and that nobody plays us an old recording. Garbage pays for what it causes and leaves enough for a whole handshake. */
function authenticate(
  core: Core,
  proof: Proof,
  budget: WorkBudget,
  from: Endpoint,
  message: Initiation,
  now: Millis,
): { key: RegisteredKey; peer: Authenticated } | undefined {
  budget.give(from, AGREEMENTS - 1, now);
  proof.agreements++;
  const claim = readStatic(proof.own, message);
  if (claim === undefined) return core.drop('failed-proof');
  const key = core.registry.byPublicKey(claim.publicKey);
  if (key === undefined) return core.drop('unregistered-peer');
  if (key.shared === undefined) {
    proof.agreements++;
    key.shared = agree(proof.own.secret, key.publicKey);
  }
  const peer = key.shared && readTimestamp(claim, key.shared, message);
  if (peer === undefined) return core.drop('failed-proof');
  if (Buffer.compare(peer.timestamp, key.timestamp) <= 0) return core.drop('replayed-proof');
  // The rest of the price, which only the owner of a registered key causes.
  if (!budget.take(from, AGREEMENTS - 1, now)) return core.drop('over-budget');
  key.timestamp = peer.timestamp;
  core.changes.note(key);
  return { key, peer };
}

/** The response; smaller than what it answers. */
function answer(
  core: Core,
  proof: Proof,
  key: RegisteredKey,
  peer: Authenticated,
  message: Initiation,
  now: Millis,
): Uint8Array | undefined {
  proof.agreements += AGREEMENTS - 1;
  const made = respond(peer, keyPairOf(new Uint8Array(core.random(32))), message);
  if (made === undefined) return undefined;
  const { ephemeral, encryptedNothing } = made;
  const sender = freeIndex(core, proof);
  const macs = { mac1: new Uint8Array(16), mac2: new Uint8Array(16) };
  const packet = encodeWireguard({
    type: 'response',
    sender,
    receiver: message.sender,
    ephemeral,
    encryptedNothing,
    ...macs,
  });
  sign(packet, key.mac1Key, key.cookie !== undefined && now < key.cookie.until ? key.cookie.value : undefined);
  const session = new ProofSession(key, sender, message.sender, made, packet.slice(60, 76));
  const oldest = proof.add(session);
  if (oldest !== undefined) endSession(core, proof, oldest);
  core.deadlines.set(session, now + SESSION_LIFETIME);
  return packet;
}

/** Packets of a session prove; keepalives are all that is wanted. False when it is none of that session. */
export function handleProofData(
  core: Core,
  session: ProofSession,
  at: SocketId,
  from: Endpoint,
  { counter, ciphertext }: Data,
  packet: Uint8Array,
  now: Millis,
): boolean {
  if (!session.window.isFresh(counter)) {
    core.drop('replayed-proof');
    return true;
  }
  const plain = open(session.receive, counter, ciphertext, NOTHING);
  if (plain === undefined) return false;
  session.window.add(counter);
  const remote = prove(core, at, from, session.key, now);
  if (remote !== undefined) core.note(remote, packet, now);
  if (plain.length === 0) return true;
  core.drop('proof-payload');
  // A peer that sends and hears nothing for 15 s begins anew (whitepaper §6.5).
  if (now < session.silentUntil) return true;
  session.silentUntil = now + KEEPALIVE;
  const keepalive = encodeWireguard({
    type: 'data',
    receiver: session.theirs,
    counter: session.counter,
    ciphertext: seal(session.send, session.counter++, NOTHING, NOTHING),
  });
  core.orders.add({ type: 'send', from: at, to: from, packet: keepalive });
  return true;
}

/** A client under load wants to see its cookie in our next response. */
export function handleProofCookie(
  core: Core,
  { key, mac1 }: ProofSession,
  message: CookieReply,
  now: Millis,
): undefined {
  const value = openCookieReply(message, key.cookieKey, mac1);
  if (value === undefined) return core.drop('unknown-receiver');
  key.cookie = { value, until: now + COOKIE_LIFETIME };
}

export function endSession(core: Core, proof: Proof, session: ProofSession): void {
  core.deadlines.clear(session);
  proof.remove(session);
}

function freeIndex({ random }: Core, { sessions }: Proof): number {
  for (;;) {
    const index = Buffer.from(random(4)).readUInt32LE();
    if (!sessions.has(index)) return index;
  }
}

/** One to read who it is, two to make an ephemeral key, two with it. */
const AGREEMENTS = 5;
const SESSION_LIFETIME: Millis = 180 * SECOND;
const KEEPALIVE: Millis = 10 * SECOND;
const COOKIE_LIFETIME: Millis = 2 * MINUTE;
const NOTHING = new Uint8Array();
