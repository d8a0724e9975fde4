import fc from 'fast-check';
import { formatAddress } from '../../../src/net/address.ts';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import type { EncodeOptions } from '../../../src/wire/stun/codec.ts';
import type { StunAttributes, StunHeader, StunMessage } from '../../../src/wire/stun/message.ts';

const bytesOf = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
/** Within every limit: at most 127 characters of up to four bytes. */
const anyText: fc.Arbitrary<string> = fc
  .string({ unit: 'binary', maxLength: 127 })
  .filter((text) => text.isWellFormed());
const errorCode = { code: fc.integer({ min: 300, max: 699 }), reason: anyText };
const byte = fc.nat(0xff);
const uint32 = fc.nat(0xffff_ffff);

export const endpoint: fc.Arbitrary<Endpoint> = fc
  .tuple(fc.constantFrom<4 | 6>(4, 6), bytesOf(16), fc.nat(0xffff))
  .map(([family, bytes, port]) => ({ family, address: formatAddress(bytes.slice(0, family === 4 ? 4 : 16)), port }));

const passwordAlgorithm = fc.record({ algorithm: fc.nat(0xffff), parameters: fc.uint8Array({ maxLength: 9 }) });

/** Every attribute there is, by its key: a missing one does not compile. */
export const attributeArbitraries: {
  readonly [Key in keyof StunAttributes]-?: fc.Arbitrary<NonNullable<StunAttributes[Key]>>;
} = {
  mappedAddress: endpoint,
  xorMappedAddress: endpoint,
  alternateServer: endpoint,
  alternateDomain: fc.domain(),
  username: anyText,
  userhash: bytesOf(32),
  realm: anyText,
  nonce: anyText,
  software: anyText,
  errorCode: fc.record(errorCode),
  unknownAttributes: fc.array(fc.nat(0xffff), { maxLength: 9 }),
  passwordAlgorithms: fc.array(passwordAlgorithm, { maxLength: 4 }),
  passwordAlgorithm,
  channelNumber: fc.nat(0xffff),
  lifetime: uint32,
  xorPeerAddresses: fc.array(endpoint, { minLength: 1, maxLength: 5 }),
  xorRelayedAddress: endpoint,
  xorRelayedAddresses: fc.array(endpoint, { minLength: 1, maxLength: 3 }),
  data: fc.uint8Array({ maxLength: 50 }),
  evenPort: fc.record({ reserveNext: fc.boolean() }),
  requestedTransport: byte,
  dontFragment: fc.constant(true),
  reservationToken: bytesOf(8),
  requestedAddressFamily: byte,
  additionalAddressFamily: byte,
  addressErrorCode: fc.record({ family: byte, ...errorCode }),
  icmp: fc.record({ type: byte, code: byte, data: uint32 }),
};

export const header: fc.Arbitrary<StunHeader> = fc.record({
  class: fc.constantFrom('request', 'indication', 'success', 'error'),
  method: fc.nat(0xfff),
  transactionId: bytesOf(12),
});

/** Any subset of the attributes. xorRelayedAddress is left to its own test, since reading it fills two places. */
const { xorRelayedAddress: _, xorRelayedAddresses: __, ...independent } = attributeArbitraries;
export const message: fc.Arbitrary<StunMessage> = fc
  .tuple(header, fc.record(independent, { requiredKeys: [] }))
  .map(([head, attributes]) => ({ ...head, attributes }));

export const encodeOptions: fc.Arbitrary<EncodeOptions> = fc.record(
  {
    integrity: fc.record({
      algorithm: fc.constantFrom('sha1', 'sha256'),
      // Longer than a block of the hash, too.
      key: fc.uint8Array({ maxLength: 80 }),
    }),
    fingerprint: fc.boolean(),
  },
  { requiredKeys: [] },
);
