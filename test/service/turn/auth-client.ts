import assert from 'node:assert/strict';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import type { Millis } from '../../../src/net/time.ts';
import { MINUTE } from '../../../src/net/time.ts';
import type { AuthFailure, AuthRefusal, AuthResult } from '../../../src/service/turn/auth.ts';
import { Authenticator } from '../../../src/service/turn/auth.ts';
import { deriveKey, type PasswordHash } from '../../../src/service/turn/credentials.ts';
import { decodeMessage, encodeMessage, type IntegrityAlgorithm } from '../../../src/wire/stun/codec.ts';
import { METHOD_ALLOCATE, type StunAttributes } from '../../../src/wire/stun/message.ts';

export const REALM = 'example.org';
export const NOW: Millis = 1_800_000_000_000;
export const CLIENT: Endpoint = { family: 4, address: '192.0.2.1', port: 5000 };

export interface Server {
  users?: Record<string, string>;
  secrets?: string[];
  stampSecrets?: string[];
  nonceKey?: Uint8Array;
}

export function authenticator(server: Server = { users: { alice: 's3cret', bob: 'hunter2' } }): Authenticator {
  return new Authenticator({
    realm: REALM,
    credentials: {
      users: new Map(Object.entries(server.users ?? {})),
      secrets: server.secrets ?? [],
      stampSecrets: server.stampSecrets ?? [],
    },
    nonceKey: server.nonceKey ?? new Uint8Array(32).fill(7),
    nonceLifetime: 10 * MINUTE,
  });
}

/** An Allocate with the given attributes, signed when there is a key. */
export function allocate(
  attributes: StunAttributes,
  integrity?: { algorithm: IntegrityAlgorithm; key: Uint8Array },
): Uint8Array {
  const message = {
    class: 'request',
    method: METHOD_ALLOCATE,
    transactionId: new Uint8Array(12).fill(1),
    attributes: { requestedTransport: 17, ...attributes },
  } as const;
  return encodeMessage(message, integrity === undefined ? {} : { integrity });
}

/** An Allocate as clients from before RFC 8489 send it: USERNAME, REALM, NONCE, MESSAGE-INTEGRITY. */
export function oldAllocate(nonce: string, username = 'alice', password = 's3cret'): Uint8Array {
  return allocate({ username, realm: REALM, nonce }, { algorithm: 'sha1', key: key('md5', username, password) });
}

export function key(hash: PasswordHash, username: string, password: string): Uint8Array {
  return deriveKey(hash, username, REALM, password);
}

export function send(
  auth: Authenticator,
  packet: Uint8Array,
  client: Endpoint = CLIENT,
  now: Millis = NOW,
): AuthResult {
  const decoded = decodeMessage(packet);
  assert.ok(decoded.ok, decoded.ok ? '' : decoded.fault);
  return auth.authenticate(packet, decoded.message, client, now);
}

/** The nonce that a bare request is challenged with. */
export function challenge(auth: Authenticator, client: Endpoint = CLIENT, now: Millis = NOW): string {
  const result = send(auth, allocate({}), client, now);
  assert.ok(!result.ok && result.attributes.nonce !== undefined);
  return result.attributes.nonce;
}

export function refused(result: AuthResult, code: number, refusal: AuthRefusal): AuthFailure {
  assert.equal(result.ok, false);
  assert.ok(!result.ok);
  assert.deepEqual([result.code, result.refusal], [code, refusal]);
  return result;
}

export function accepted(result: AuthResult): (AuthResult & { ok: true })['request'] {
  assert.ok(result.ok, result.ok ? '' : result.refusal);
  return result.request;
}
