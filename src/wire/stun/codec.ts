import type { StunHeader, StunMessage } from './message.ts';

export type IntegrityAlgorithm = 'sha1' | 'sha256';

/** Where an integrity attribute stands in the packet, for verifyIntegrity. Offset of its type field, from the start of the message. */
export interface IntegrityAttribute {
  readonly offset: number;
  /** The MAC as sent: 20 bytes, or 16 to 32 in steps of 4 for SHA-256. A view into the packet. */
  readonly mac: Uint8Array;
}

export interface DecodedMessage extends StunMessage {
  /** Comprehension-required types (0x0000 to 0x7FFF) that this codec does not know, in order, without repeats. */
  readonly unknownRequired: readonly number[];
  readonly messageIntegrity: IntegrityAttribute | undefined;
  readonly messageIntegritySha256: IntegrityAttribute | undefined;
  readonly hasFingerprint: boolean;
}

/** Why a packet is no STUN message that can be worked with. Names are used as drop reasons. */
export type StunFault =
  | 'too-short'
  | 'not-stun'
  | 'no-magic-cookie'
  | 'bad-length'
  | 'truncated-attribute'
  | 'malformed-attribute'
  | 'bad-fingerprint';

export type DecodeResult =
  | { readonly ok: true; readonly message: DecodedMessage }
  /** `header` is there when a request can be answered with 400 (RFC 8489 §6.3.1): only the attributes were broken. */
  | { readonly ok: false; readonly fault: StunFault; readonly header: StunHeader | undefined };

/** Decodes one whole STUN message. Attributes behind an integrity attribute are ignored, except MESSAGE-INTEGRITY-SHA256 and FINGERPRINT (RFC 8489 §14.5 to 14.7). Never throws. */
export function decodeMessage(_packet: Uint8Array): DecodeResult {
  throw new Error('not built yet');
}

/** Whether the MAC of `attribute` over `packet` is right under `key`; constant time. */
export function verifyIntegrity(
  _packet: Uint8Array,
  _attribute: IntegrityAttribute,
  _algorithm: IntegrityAlgorithm,
  _key: Uint8Array,
): boolean {
  throw new Error('not built yet');
}

export interface EncodeOptions {
  readonly integrity?: { readonly algorithm: IntegrityAlgorithm; readonly key: Uint8Array };
  readonly fingerprint?: boolean;
}

/** Padding bytes are zero (CVE-2020-4067). Throws StunEncodeError for values that have no encoding. */
export function encodeMessage(_message: StunMessage, _options: EncodeOptions = {}): Uint8Array {
  throw new Error('not built yet');
}
