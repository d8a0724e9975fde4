import type { DecodedMessage, EncodeOptions } from '../../wire/stun/codec.ts';
import { encodeMessage } from '../../wire/stun/codec.ts';
import type { StunAttributes } from '../../wire/stun/message.ts';
import type { AuthenticatedRequest, AuthResult, ReplyIntegrity } from './auth.ts';
import { type Client, StreamClient } from './client.ts';
import type { Core } from './core.ts';
import { REASON_PHRASES, REFUSAL_CODES, type Refusal, type RefusalCode } from './reasons.ts';

/**
 * All that an answer takes from its request (RFC 8489 §6.3.1.1). What answers or drops returns undefined, not void, so that a handler can
 * end with `return refuse(...)`.
 */
export interface ReplyTo {
  readonly client: Client;
  readonly method: number;
  readonly transactionId: Uint8Array;
  /** The request had a FINGERPRINT, so its sender wants one (RFC 8489 §7). */
  readonly fingerprint: boolean;
  /** The answer is signed as the request was (RFC 8489 §9.2.4). */
  readonly integrity: ReplyIntegrity | undefined;
}

export function replyTo(client: Client, message: DecodedMessage, integrity?: ReplyIntegrity): ReplyTo {
  const { method, transactionId, hasFingerprint: fingerprint } = message;
  return { client, method, transactionId, fingerprint, integrity };
}

export function replyToAuthenticated(client: Client, request: AuthenticatedRequest): ReplyTo {
  return replyTo(client, request.message, request.integrity);
}

/** For an answer that is given after the packet's buffer is gone. */
export function kept(to: ReplyTo): ReplyTo {
  return { ...to, transactionId: to.transactionId.slice() };
}

/** Here and below `attributes` is handed over: what every answer carries is written into it. */
export function succeed(core: Core, to: ReplyTo, attributes: StunAttributes): undefined {
  core.responses.add(to.method, 0);
  respond(core, to, 'success', attributes);
}

/** Counts the refusal under its name and answers with its code. */
export function refuse(core: Core, to: ReplyTo, refusal: Refusal, attributes: StunAttributes = {}): undefined {
  core.drop(refusal);
  fail(core, to, REFUSAL_CODES[refusal], attributes);
}

export function refuseUnauthenticated(core: Core, to: ReplyTo, result: Extract<AuthResult, { ok: false }>): undefined {
  fail(core, { ...to, integrity: result.integrity }, result.code, result.attributes);
}

export function fail(core: Core, to: ReplyTo, code: RefusalCode, attributes: StunAttributes): undefined {
  core.responses.add(to.method, code);
  attributes.errorCode = { code, reason: REASON_PHRASES[code] };
  respond(core, to, 'error', attributes);
}

/** RFC 8489 §6.3.1.2: back on the 5-tuple that the request came on. */
export function sendToClient(core: Core, client: Client, packet: Uint8Array, droppable: boolean): undefined {
  if (client instanceof StreamClient) core.orders.add({ type: 'write', stream: client.stream, packet, droppable });
  else core.orders.add({ type: 'send', from: client.socket, to: client.endpoint, packet });
}

function respond(core: Core, to: ReplyTo, messageClass: 'success' | 'error', attributes: StunAttributes): undefined {
  const { method, transactionId, fingerprint, integrity } = to;
  const { software } = core.config;
  if (software !== '') attributes.software = software;
  const options: EncodeOptions = integrity === undefined ? { fingerprint } : { fingerprint, integrity };
  const packet = encodeMessage({ class: messageClass, method, transactionId, attributes }, options);
  sendToClient(core, to.client, packet, false);
}
