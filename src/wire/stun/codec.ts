import { FINGERPRINT, MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256 } from './attribute-types.ts';
import { readAttribute, writeAttributeHeader, writeAttributes } from './attributes/registry.ts';
import { fingerprint } from './fingerprint.ts';
import { decodeHeader, encodeHeader, HEADER_BYTES, MAGIC_COOKIE, MESSAGE_BYTES_MAX, setLength } from './header.ts';
import { type IntegrityAlgorithm, type IntegrityAttribute, isMacLength, MAC_BYTES, messageMac } from './integrity.ts';
import type { StunAttributes, StunHeader, StunMessage } from './message.ts';
import { padded, viewBytes, type WireBytes, wireBytes } from './wire-bytes.ts';

export { StunEncodeError } from './encode-error.ts';
export { type IntegrityAlgorithm, type IntegrityAttribute, verifyIntegrity } from './integrity.ts';

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
  /** `request` is there when a request can be answered with 400 (RFC 8489 §6.3.1): what could be read, for only attributes were broken. */
  | { readonly ok: false; readonly fault: StunFault; readonly request: DecodedMessage | undefined };

/**
 * Decodes one whole STUN message. Attributes behind an integrity attribute are ignored, except MESSAGE-INTEGRITY-SHA256 and FINGERPRINT
 * (RFC 8489 §14.5 to 14.7). Never throws. `data` and the MACs are views into the packet; everything else is the message's own.
 */
export function decodeMessage(packet: Uint8Array): DecodeResult {
  if (packet.length < HEADER_BYTES) return refuse('too-short');
  const from = wireBytes(packet);
  if (from.view.getUint8(0) > 0b0011_1111) return refuse('not-stun');
  if (from.view.getUint32(4) !== MAGIC_COOKIE) return refuse('no-magic-cookie');
  const length = from.view.getUint16(2);
  if (length % 4 !== 0 || HEADER_BYTES + length !== packet.length) return refuse('bad-length');
  return decodeAttributes(from, decodeHeader(from));
}

export interface EncodeOptions {
  readonly integrity?: { readonly algorithm: IntegrityAlgorithm; readonly key: Uint8Array };
  readonly fingerprint?: boolean;
}

/**
 * Attributes are written in the order of the object's keys, integrity and fingerprint behind them. Padding bytes are zero
 * (CVE-2020-4067). Throws StunEncodeError for values that have no encoding. Small messages share a slab of memory (Buffer's pool):
 * whoever keeps one for long copies it.
 */
export function encodeMessage(message: StunMessage, options: EncodeOptions = {}): Uint8Array {
  encodeHeader(draft, message);
  let end = writeAttributes(draft, HEADER_BYTES, message.attributes);
  if (options.integrity !== undefined) end = writeIntegrity(end, options.integrity.algorithm, options.integrity.key);
  if (options.fingerprint === true) end = writeFingerprint(end);
  setLength(draft, end);
  const packet = Buffer.allocUnsafe(end);
  draft.bytes.copy(packet, 0, 0, end);
  return new Uint8Array(packet.buffer, packet.byteOffset, end);
}

function decodeAttributes(from: WireBytes, header: StunHeader): DecodeResult {
  const attributes: StunAttributes = {};
  let unknown: Set<number> | undefined;
  let messageIntegrity: IntegrityAttribute | undefined;
  let messageIntegritySha256: IntegrityAttribute | undefined;
  let hasFingerprint = false;
  let fault: StunFault | undefined;

  const end = from.view.byteLength;
  let next: number;
  for (let offset = HEADER_BYTES; offset < end; offset = next) {
    const type = from.view.getUint16(offset);
    const length = from.view.getUint16(offset + 2);
    next = offset + 4 + padded(length);
    if (next > end) {
      fault = 'truncated-attribute';
      break;
    }

    if (type === FINGERPRINT) {
      // §14.7: the last one, and right; otherwise this may be no STUN at all, and no answer is due (§6.3).
      if (next !== end || length !== 4 || from.view.getUint32(offset + 4) !== fingerprint(from, offset)) {
        return refuse('bad-fingerprint');
      }
      hasFingerprint = true;
    } else if (messageIntegritySha256 !== undefined) {
      // §14.6: nothing but FINGERPRINT counts from here on.
    } else if (type === MESSAGE_INTEGRITY_SHA256) {
      if (isMacLength('sha256', length)) messageIntegritySha256 = { offset, mac: viewBytes(from, offset + 4, length) };
      else fault = 'malformed-attribute';
    } else if (messageIntegrity !== undefined) {
      // §14.5
    } else if (type === MESSAGE_INTEGRITY) {
      if (isMacLength('sha1', length)) messageIntegrity = { offset, mac: viewBytes(from, offset + 4, length) };
      else fault = 'malformed-attribute';
    } else {
      const outcome = readAttribute(type, from, offset + 4, length, attributes);
      // §14: an agent may pass over what is optional and not understood, such as a SOFTWARE that is no UTF-8.
      if (outcome === 'done' || type >= FIRST_OPTIONAL) continue;
      if (outcome === 'malformed') fault = 'malformed-attribute';
      else unknown = (unknown ?? new Set()).add(type);
    }
  }

  const unknownRequired = unknown === undefined ? NONE : [...unknown];
  const { class: messageClass, method, transactionId } = header;
  const message: DecodedMessage = {
    class: messageClass,
    method,
    transactionId,
    attributes,
    unknownRequired,
    messageIntegrity,
    messageIntegritySha256,
    hasFingerprint,
  };
  // Only now: a wrong FINGERPRINT behind a malformed attribute means that the packet was damaged or is none of ours.
  return fault === undefined ? { ok: true, message } : refuse(fault, message);
}

/** Only requests are answered: a 400 for a broken response or indication would be a reflector. */
function refuse(fault: StunFault, message?: DecodedMessage): DecodeResult {
  return { ok: false, fault, request: message?.class === 'request' ? message : undefined };
}

function writeIntegrity(offset: number, algorithm: IntegrityAlgorithm, key: Uint8Array): number {
  const length = MAC_BYTES[algorithm];
  const type = algorithm === 'sha1' ? MESSAGE_INTEGRITY : MESSAGE_INTEGRITY_SHA256;
  const end = writeAttributeHeader(draft, offset, type, length);
  draft.bytes.set(messageMac(draft.bytes, offset, length, algorithm, key), offset + 4);
  return end;
}

function writeFingerprint(offset: number): number {
  const end = writeAttributeHeader(draft, offset, FINGERPRINT, 4);
  setLength(draft, end);
  draft.view.setUint32(offset + 4, fingerprint(draft, offset));
  return end;
}

const FIRST_OPTIONAL = 0x8000;
const NONE: readonly number[] = Object.freeze([]);
/** Where messages are put together, before their size is known: room for one attribute more than fits, for the check comes behind it. */
const draft: WireBytes = wireBytes(Buffer.alloc(MESSAGE_BYTES_MAX + 4 + 0x1_0000));
