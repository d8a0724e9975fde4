import { hmac } from '../../../src/wire/hmac.ts';
import type { Chance } from './fuzz-chance.ts';

/** One attribute before it is laid out. `length` is what the length field will say, right or wrong. */
export interface Tlv {
  type: number;
  value: Uint8Array;
  length: number;
}

export function tlv(type: number, value: Uint8Array): Tlv {
  return { type, value, length: value.length };
}

export interface Signature {
  readonly algorithm: 'sha1' | 'sha256';
  readonly key: Uint8Array;
}

/**
 * Lays a message out without asking whether it makes sense, and signs what came out: a mutation before this call is behind the MAC.
 * The header says the right length, unless `chance` damages it later.
 */
export function layOut(
  type: number,
  transactionId: Uint8Array,
  attributes: readonly Tlv[],
  sign: Signature | undefined,
): Uint8Array {
  let end = 20;
  for (const { value } of attributes) end += 4 + padded(value.length);
  const macLength = sign === undefined ? 0 : sign.algorithm === 'sha1' ? 20 : 32;
  const packet = new Uint8Array(end + (sign === undefined ? 0 : 4 + macLength));
  put16(packet, 0, type);
  packet.set(COOKIE, 4);
  packet.set(transactionId, 8);
  let offset = 20;
  for (const { type: attribute, value, length } of attributes) {
    put16(packet, offset, attribute);
    put16(packet, offset + 2, length);
    packet.set(value, offset + 4);
    offset += 4 + padded(value.length);
  }
  put16(packet, 2, packet.length - 20);
  if (sign !== undefined) {
    put16(packet, offset, sign.algorithm === 'sha1' ? 0x0008 : 0x001c);
    put16(packet, offset + 2, macLength);
    packet.set(hmac(sign.algorithm, sign.key, packet.subarray(0, offset)), offset + 4);
  }
  return packet;
}

/** Damages the list of attributes: what follows is signed, so it gets past the MAC. */
export function mutateAttributes(attributes: Tlv[], chance: Chance): void {
  const at = chance.below(attributes.length + 1);
  const one = attributes[at % Math.max(1, attributes.length)];
  switch (chance.below(10)) {
    case 0:
      attributes.splice(at, 1);
      return;
    case 1:
      if (one !== undefined) attributes.splice(at, 0, one);
      return;
    case 2:
      attributes.sort(() => chance.below(3) - 1);
      return;
    case 3:
    case 4:
      attributes.splice(at, 0, tlv(chance.pick(TYPES), chance.bytes(chance.pick(LENGTHS))));
      return;
    case 5:
      attributes.splice(at, 0, tlv(chance.below(0x10000), chance.bytes(chance.below(40))));
      return;
    case 6:
      if (one !== undefined) attributes[at % attributes.length] = { ...one, value: flipped(one.value, chance) };
      return;
    case 7:
      if (one !== undefined) attributes[at % attributes.length] = { ...one, type: chance.pick(TYPES) };
      return;
    case 8:
      if (one !== undefined) attributes[at % attributes.length] = tlv(one.type, chance.bytes(chance.pick(LENGTHS)));
      return;
    case 9:
      if (one !== undefined) attributes[at % attributes.length] = { ...one, length: chance.pick(ODD_LENGTHS) };
  }
}

/** Damages the packet as it lies; returns one that may be shorter or longer. */
export function mutateBytes(packet: Uint8Array, chance: Chance): Uint8Array {
  const at = chance.below(packet.length);
  switch (chance.below(8)) {
    case 0:
    case 1:
      return flipped(packet, chance);
    case 2:
      return packet.slice(0, at);
    case 3:
      return Buffer.concat([packet, chance.bytes(1 + chance.below(40))]);
    case 4:
      return Buffer.concat([packet.subarray(0, at), chance.bytes(4 * chance.below(5)), packet.subarray(at)]);
    case 5:
      return Buffer.concat([packet.subarray(0, at), packet.subarray(at + 4 * chance.below(5))]);
    case 6: {
      const copy = packet.slice();
      if (copy.length > 3) put16(copy, 2, chance.pick(ODD_LENGTHS));
      return copy;
    }
    default: {
      const copy = packet.slice();
      chance.fill(copy, at, Math.min(copy.length, at + 1 + chance.below(8)));
      return copy;
    }
  }
}

export function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

function flipped(bytes: Uint8Array, chance: Chance): Uint8Array {
  const copy = bytes.slice();
  for (let flips = 1 + chance.below(3); flips > 0 && copy.length > 0; flips--) {
    const at = chance.below(copy.length);
    copy[at] = (copy[at] ?? 0) ^ (1 << chance.below(8));
  }
  return copy;
}

function padded(length: number): number {
  return (length + 3) & ~3;
}

const COOKIE: Uint8Array = Uint8Array.of(0x21, 0x12, 0xa4, 0x42);
const LENGTHS: readonly number[] = [0, 1, 2, 3, 4, 4, 4, 5, 8, 8, 12, 16, 20, 20, 32, 33, 128, 763, 764, 1400];
const ODD_LENGTHS: readonly number[] = [0, 1, 2, 3, 4, 5, 7, 8, 12, 20, 24, 255, 256, 1024, 0x7fff, 0xfffc, 0xffff];
/** Every type that the codec knows, and some that it does not. */
const TYPES: readonly number[] = [
  0x0001, 0x0006, 0x0008, 0x0009, 0x000a, 0x000c, 0x000d, 0x0012, 0x0013, 0x0014, 0x0015, 0x0016, 0x0017, 0x0018,
  0x0019, 0x001a, 0x001c, 0x001d, 0x001e, 0x0020, 0x0022, 0x0024, 0x002a, 0x8000, 0x8001, 0x8002, 0x8003, 0x8004,
  0x8022, 0x8023, 0x8028, 0x8032, 0x8033, 0x7abc,
];
