import type { Millis } from '../../net/time.ts';
import { type DecodedMessage, decodeMessage } from '../../wire/stun/codec.ts';
import {
  METHOD_ALLOCATE,
  METHOD_BINDING,
  METHOD_CHANNEL_BIND,
  METHOD_CREATE_PERMISSION,
  METHOD_REFRESH,
  METHOD_SEND,
} from '../../wire/stun/message.ts';
import { handleAllocate } from './allocate.ts';
import type { Allocation } from './allocation.ts';
import type { AuthenticatedRequest } from './auth.ts';
import { handleBinding } from './binding.ts';
import { handleChannelBind } from './channel-bind.ts';
import type { Client } from './client.ts';
import type { Core } from './core.ts';
import { handleCreatePermission } from './create-permission.ts';
import { handleRefresh } from './refresh.ts';
import { fail, refuse, refuseUnauthenticated, replyTo, replyToAuthenticated } from './responses.ts';
import { handleSendIndication } from './send-indication.ts';

/** What a stream may think of its sender: `valid` requests earn patience, `garbage` uses it up. */
export type Verdict = 'valid' | 'garbage' | 'neither';

/** RFC 8489 §6.3, RFC 8656 §5: one STUN message from a client. */
export function handleMessage(core: Core, client: Client, packet: Uint8Array, now: Millis): Verdict {
  const decoded = decodeMessage(packet);
  if (!decoded.ok) {
    core.drop(decoded.fault);
    if (decoded.request !== undefined) refuseMalformed(core, client, packet, decoded.request, now);
    return 'garbage';
  }
  const { message } = decoded;
  switch (message.class) {
    case 'request':
      return handleRequest(core, client, packet, message, now) ? 'valid' : 'neither';
    case 'indication':
      handleIndication(core, client, message, now);
      return 'neither';
    case 'success':
    case 'error':
      // We ask nobody anything. Answering these could make two servers talk to each other for ever.
      core.drop('response');
      return 'garbage';
  }
}

/**
 * RFC 8489 §6.3.1: the header was fine, the attributes were not. Authentication comes first all the same (RFC 8656 §7.2), because clients must
 * not believe a 400 that is not signed (RFC 8489 §9.2.5). Counted under the fault already.
 */
function refuseMalformed(
  core: Core,
  client: Client,
  packet: Uint8Array,
  broken: DecodedMessage,
  now: Millis,
): undefined {
  const to = replyTo(client, broken);
  const result = AUTHENTICATED_METHODS.has(broken.method)
    ? core.authenticator.authenticate(packet, broken, client.endpoint, now)
    : undefined;
  if (result?.ok) return fail(core, { ...to, integrity: result.request.integrity }, 400, {});
  if (!core.mayReply(client, now)) return;
  if (result === undefined) fail(core, to, 400, {});
  else refuseUnauthenticated(core, to, result);
}

/** Whether the request earned trust: a Binding, or one that proves who sent it. */
function handleRequest(core: Core, client: Client, packet: Uint8Array, message: DecodedMessage, now: Millis): boolean {
  if (message.method === METHOD_BINDING) {
    handleBinding(core, client, message, now);
    return true;
  }
  if (!AUTHENTICATED_METHODS.has(message.method)) {
    if (core.mayReply(client, now)) refuse(core, replyTo(client, message), 'unknown-method');
    return false;
  }
  const result = core.authenticator.authenticate(packet, message, client.endpoint, now);
  if (!result.ok) {
    core.drop(result.refusal);
    if (core.mayReply(client, now)) refuseUnauthenticated(core, replyTo(client, message), result);
    return false;
  }
  core.hasProvenAddress(client, now);
  handleAuthenticated(core, client, result.request, now);
  return true;
}

/** RFC 8489 §6.3.1: unknown attributes come after authentication. RFC 8656 §5: then the allocation, then its user. */
function handleAuthenticated(core: Core, client: Client, request: AuthenticatedRequest, now: Millis): undefined {
  const to = replyToAuthenticated(client, request);
  const { method, unknownRequired } = request.message;
  if (unknownRequired.length > 0) {
    return refuse(core, to, 'unknown-attribute', { unknownAttributes: unknownRequired });
  }
  if (method === METHOD_ALLOCATE) return handleAllocate(core, client, request, now);
  const allocation = core.table.find(client);
  if (allocation === undefined || allocation.opening !== undefined) return refuse(core, to, 'allocation-missing');
  if (allocation.user !== request.user) return refuse(core, to, 'wrong-user');
  if (request.nonceIssuedAt < allocation.nonceIssuedAt) {
    // Captured before this allocation was made, on an earlier one of the same 5-tuple: a Refresh 0 among them would end this one.
    core.drop('replayed-nonce');
    const stale = core.authenticator.staleNonce(request, client.endpoint, now);
    return refuseUnauthenticated(core, to, stale);
  }
  allocation.use().lastSeen = now;
  return handleOnAllocation(core, allocation, request, now);
}

function handleOnAllocation(core: Core, allocation: Allocation, request: AuthenticatedRequest, now: Millis): undefined {
  switch (request.message.method) {
    case METHOD_REFRESH:
      return handleRefresh(core, allocation, request, now);
    case METHOD_CREATE_PERMISSION:
      return handleCreatePermission(core, allocation, request, now);
    case METHOD_CHANNEL_BIND:
      return handleChannelBind(core, allocation, request, now);
  }
}

/** RFC 8489 §6.3.2. A Binding indication has done its work by arriving: it kept a NAT's binding alive. */
function handleIndication(core: Core, client: Client, message: DecodedMessage, now: Millis): undefined {
  if (message.unknownRequired.length > 0) return core.drop('unknown-attribute');
  if (message.method === METHOD_BINDING) return;
  if (message.method !== METHOD_SEND) return core.drop('unexpected-indication');
  const allocation = core.table.find(client);
  if (allocation === undefined || allocation.opening !== undefined) return core.drop('no-allocation');
  return handleSendIndication(core, allocation, message, now);
}

const AUTHENTICATED_METHODS: ReadonlySet<number> = new Set([
  METHOD_ALLOCATE,
  METHOD_REFRESH,
  METHOD_CREATE_PERMISSION,
  METHOD_CHANNEL_BIND,
]);
