import type { Endpoint } from '../../../net/endpoint.ts';
import * as types from '../attribute-types.ts';
import { StunEncodeError } from '../encode-error.ts';
import { MESSAGE_BYTES_MAX } from '../header.ts';
import type { StunAttributes } from '../message.ts';
import { padded, type WireBytes } from '../wire-bytes.ts';
import { plainAddress, xorAddress } from './address.ts';
import { data, fixedBytes } from './bytes.ts';
import { addressErrorCode, errorCode } from './error-code.ts';
import { icmp } from './icmp.ts';
import { evenPort, flag, uint8Reserved, uint16Reserved, uint32 } from './numbers.ts';
import { passwordAlgorithm, passwordAlgorithms } from './password-algorithms.ts';
import { domainName, SHORT_TEXT, text, USERNAME_TEXT } from './text.ts';
import { unknownAttributes } from './unknown-attributes.ts';
import type { ValueCodec } from './value-codec.ts';

/**
 * Every attribute that this codec knows: type on the wire, place in StunAttributes, layout. To add one, add its row (and its type to
 * attribute-types.ts, its value to StunAttributes). MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT are not here: they are
 * about the message as a whole, so codec.ts handles them. Two rows with one place: both are read, the first is written.
 */
const ATTRIBUTES: readonly AttributeEntry[] = [
  single(types.MAPPED_ADDRESS, 'mappedAddress', plainAddress),
  single(types.XOR_MAPPED_ADDRESS, 'xorMappedAddress', xorAddress),
  single(types.ALTERNATE_SERVER, 'alternateServer', plainAddress),
  single(types.ALTERNATE_DOMAIN, 'alternateDomain', domainName),
  single(types.USERNAME, 'username', text(USERNAME_TEXT)),
  single(types.USERHASH, 'userhash', fixedBytes(32)),
  single(types.REALM, 'realm', text(SHORT_TEXT)),
  single(types.NONCE, 'nonce', text(SHORT_TEXT)),
  single(types.SOFTWARE, 'software', text(SHORT_TEXT)),
  single(types.ERROR_CODE, 'errorCode', errorCode),
  single(types.UNKNOWN_ATTRIBUTES, 'unknownAttributes', unknownAttributes),
  single(types.PASSWORD_ALGORITHMS, 'passwordAlgorithms', passwordAlgorithms),
  single(types.PASSWORD_ALGORITHM, 'passwordAlgorithm', passwordAlgorithm),
  single(types.CHANNEL_NUMBER, 'channelNumber', uint16Reserved),
  single(types.LIFETIME, 'lifetime', uint32),
  several(types.XOR_PEER_ADDRESS, 'xorPeerAddresses', xorAddress),
  ...relayedAddresses(),
  single(types.DATA, 'data', data),
  single(types.EVEN_PORT, 'evenPort', evenPort),
  single(types.REQUESTED_TRANSPORT, 'requestedTransport', uint8Reserved),
  single(types.DONT_FRAGMENT, 'dontFragment', flag),
  single(types.RESERVATION_TOKEN, 'reservationToken', fixedBytes(8)),
  single(types.REQUESTED_ADDRESS_FAMILY, 'requestedAddressFamily', uint8Reserved),
  single(types.ADDITIONAL_ADDRESS_FAMILY, 'additionalAddressFamily', uint8Reserved),
  single(types.DRAFT_ADDITIONAL_ADDRESS_FAMILY, 'additionalAddressFamily', uint8Reserved),
  single(types.ADDRESS_ERROR_CODE, 'addressErrorCode', addressErrorCode),
  single(types.DRAFT_ADDRESS_ERROR_CODE, 'addressErrorCode', addressErrorCode),
  single(types.ICMP, 'icmp', icmp),
];

type Outcome = 'done' | 'unknown' | 'malformed';

/** Puts the attribute of `type` whose value stands at `offset` where it belongs. Repeats of what comes once are not looked at. */
export function readAttribute(
  type: number,
  from: WireBytes,
  offset: number,
  length: number,
  into: StunAttributes,
): Outcome {
  const read = READERS.get(type);
  if (read === undefined) return 'unknown';
  return read(from, offset, length, into) ? 'done' : 'malformed';
}

/** Writes what is present, in the order of the object's keys, from `offset` on; returns where the last one ends. */
export function writeAttributes(to: WireBytes, offset: number, attributes: StunAttributes): number {
  let end = offset;
  for (const key in attributes) {
    const write = WRITERS.get(key);
    if (write === undefined) throw new StunEncodeError(`no attribute: ${key}`);
    end = write(to, end, attributes);
  }
  return end;
}

interface AttributeEntry {
  readonly type: number;
  readonly key: Key;
  readonly read: Read;
  readonly write: Write;
}

/** False: malformed. */
type Read = (from: WireBytes, offset: number, length: number, into: StunAttributes) => boolean;
/** Returns where the attribute ends. */
type Write = (to: WireBytes, offset: number, attributes: StunAttributes) => number;
type Key = keyof StunAttributes;
type Value<K extends Key> = NonNullable<StunAttributes[K]>;

function single<K extends Key>(type: number, key: K, codec: ValueCodec<Value<K>>): AttributeEntry {
  return {
    type,
    key,
    read(from, offset, length, into) {
      if (into[key] !== undefined) return true;
      const value = codec.decode(from, offset, length);
      if (value === undefined) return false;
      into[key] = value;
      return true;
    },
    write(to, offset, attributes) {
      const value = attributes[key];
      return value === undefined ? offset : writeOne(to, offset, type, codec, value);
    },
  };
}

type ListKey = 'xorPeerAddresses' | 'xorRelayedAddresses';

function several(type: number, key: ListKey, codec: ValueCodec<Endpoint>): AttributeEntry {
  return {
    type,
    key,
    read(from, offset, length, into) {
      const value = codec.decode(from, offset, length);
      if (value === undefined) return false;
      // Read-only for those who get the message; while it is being read, the list is ours.
      const list = into[key] as Endpoint[] | undefined;
      if (list === undefined) into[key] = [value];
      else list.push(value);
      return true;
    },
    write(to, offset, attributes) {
      let end = offset;
      for (const value of attributes[key] ?? []) end = writeOne(to, end, type, codec, value);
      return end;
    },
  };
}

/** Two names for XOR-RELAYED-ADDRESS: reading fills both, writing prefers the list. */
function relayedAddresses(): readonly AttributeEntry[] {
  const all = several(types.XOR_RELAYED_ADDRESS, 'xorRelayedAddresses', xorAddress);
  const one = single(types.XOR_RELAYED_ADDRESS, 'xorRelayedAddress', xorAddress);
  return [
    {
      ...all,
      read: (from, offset, length, into) =>
        one.read(from, offset, length, into) && all.read(from, offset, length, into),
    },
    {
      ...one,
      write: (to, offset, attributes) =>
        attributes.xorRelayedAddresses?.length ? offset : one.write(to, offset, attributes),
    },
  ];
}

function writeOne<T>(to: WireBytes, offset: number, type: number, codec: ValueCodec<T>, value: T): number {
  const length = codec.encode(to, offset + 4, value);
  return writeAttributeHeader(to, offset, type, length);
}

/**
 * Type and length before a value that is in place already, and zeros for the padding behind it: what a buffer held before must not
 * leave the machine (CVE-2020-4067). Returns where the attribute ends.
 */
export function writeAttributeHeader(to: WireBytes, offset: number, type: number, length: number): number {
  to.view.setUint16(offset, type);
  to.view.setUint16(offset + 2, length);
  const end = offset + 4 + padded(length);
  for (let index = offset + 4 + length; index < end; index++) to.view.setUint8(index, 0);
  if (end > MESSAGE_BYTES_MAX) throw new StunEncodeError('attributes that do not fit one message');
  return end;
}

const READERS: ReadonlyMap<number, Read> = new Map(
  // Reversed, so that of two rows with one type the first counts.
  ATTRIBUTES.toReversed().map((entry) => [entry.type, entry.read]),
);
const WRITERS: ReadonlyMap<string, Write> = new Map(ATTRIBUTES.toReversed().map((entry) => [entry.key, entry.write]));
