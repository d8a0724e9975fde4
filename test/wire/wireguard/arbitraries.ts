import fc from 'fast-check';
import type { WireguardMessage } from '../../../src/wire/wireguard/message.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const index = fc.nat(0xffffffff);
const PLAIN = { noNullPrototype: true } as const;

export const messages: fc.Arbitrary<WireguardMessage> = fc.oneof(
  fc.record(
    {
      type: fc.constant('initiation' as const),
      sender: index,
      ephemeral: bytes(32),
      encryptedStatic: bytes(48),
      encryptedTimestamp: bytes(28),
      mac1: bytes(16),
      mac2: bytes(16),
    },
    PLAIN,
  ),
  fc.record(
    {
      type: fc.constant('response' as const),
      sender: index,
      receiver: index,
      ephemeral: bytes(32),
      encryptedNothing: bytes(16),
      mac1: bytes(16),
      mac2: bytes(16),
    },
    PLAIN,
  ),
  fc.record(
    { type: fc.constant('cookie' as const), receiver: index, nonce: bytes(24), encryptedCookie: bytes(32) },
    PLAIN,
  ),
  fc.record(
    {
      type: fc.constant('data' as const),
      receiver: index,
      counter: fc.bigInt(0n, 0xffffffffffffffffn),
      ciphertext: fc.uint8Array({ minLength: 16, maxLength: 200 }),
    },
    PLAIN,
  ),
);
