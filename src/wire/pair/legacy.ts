import { timingSafeEqual } from 'node:crypto';
import { firstWord } from '../first-word.ts';
import { hmac } from '../hmac.ts';
import { MAGIC_COOKIE } from '../stun/header.ts';
import { type Guid, guidAt, PAIR_MAGIC, ZERO_GUID } from './handshake.ts';

/** Handshakes before v0.8.2, each by the version that brought it. Only v0.8.0 proves that its sender knows the key, and none that it is fresh. */
export const LEGACY_FORMS = ['v0.8.0', 'v0.5', 'v0.4', 'v0.1', 'v0.3.6'] as const;
export type LegacyForm = (typeof LEGACY_FORMS)[number];

export interface LegacyHandshake {
  readonly form: LegacyForm;
  readonly guid: Guid;
}

/**
 * The handshake that a datagram is in one of the accepted older forms; undefined when it is none.
 *
 *     v0.8.0  magic, length u16, flags u16, GUID @8, nonce u64 @24, HMAC-SHA256(nonce) @32, 64 bytes or more
 *     v0.5    magic, reserved u32, GUID @8, 24 bytes or more
 *     v0.4    magic, GUID @4, 20 bytes or more
 *     v0.3.6  type u16 = 1, length u16, GUID @4, 20 bytes or more
 *     v0.1    the same in exactly 1024 bytes, length = 992
 *
 * The forms overlap. What proves more comes first; v0.5 is told from v0.4 by its reserved word, which is zero there, while
 * here it is the first quarter of a GUID; v0.3 begins like a STUN Binding until the cookie is looked at.
 */
export function decodeLegacy(
  packet: Uint8Array,
  forms: ReadonlySet<LegacyForm>,
  keys: readonly Uint8Array[],
): LegacyHandshake | undefined {
  const form = LEGACY_FORMS.find((candidate) => forms.has(candidate) && matches[candidate](packet, forms, keys));
  if (form === undefined) return undefined;
  const guid = guidAt(packet, GUID_OFFSETS[form]);
  return guid === ZERO_GUID ? undefined : { form, guid };
}

/** Where each form has its GUID. */
export const GUID_OFFSETS: Readonly<Record<LegacyForm, number>> = {
  'v0.8.0': 8,
  'v0.5': 8,
  'v0.4': 4,
  'v0.3.6': 4,
  'v0.1': 4,
};

type Match = (packet: Uint8Array, forms: ReadonlySet<LegacyForm>, keys: readonly Uint8Array[]) => boolean;

const matches: Readonly<Record<LegacyForm, Match>> = {
  'v0.8.0': (packet, _forms, keys) =>
    firstWord(packet) === PAIR_MAGIC && packet.length >= 64 && hasNonceMac(packet, keys),
  'v0.5': (packet, forms) =>
    firstWord(packet) === PAIR_MAGIC && packet.length >= 24 && (wordAt4(packet) === 0 || !forms.has('v0.4')),
  'v0.4': (packet) => firstWord(packet) === PAIR_MAGIC && packet.length >= 20,
  'v0.3.6': (packet) => isTyped(packet) && packet.length >= 20,
  'v0.1': (packet) => isTyped(packet) && packet.length === 1024 && firstWord(packet) === 0x0001_03e0,
};

/** The MAC covers the nonce only, so whoever saw one handshake can make others of it. */
function hasNonceMac(packet: Uint8Array, keys: readonly Uint8Array[]): boolean {
  const nonce = packet.subarray(24, 32);
  return keys.some((key) => timingSafeEqual(hmac('sha256', key, nonce), packet.subarray(32, 64)));
}

function isTyped(packet: Uint8Array): boolean {
  return packet[0] === 0 && packet[1] === 1 && wordAt4(packet) !== MAGIC_COOKIE;
}

function wordAt4(packet: Uint8Array): number {
  return firstWord(packet.subarray(4));
}
