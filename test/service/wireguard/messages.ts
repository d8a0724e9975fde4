import { encodeWireguard } from '../../../src/wire/wireguard/message.ts';
import { seededRandom } from '../seeded.ts';

/** Messages of nobody, as a forger writes them. */
export const random = seededRandom('attacker');

export function randomIndex(): number {
  return Buffer.from(random(4)).readUInt32LE();
}

export function initiation(sender: number): Uint8Array {
  const noise = (length: number) => new Uint8Array(random(length));
  return encodeWireguard({
    type: 'initiation',
    sender,
    ephemeral: noise(32),
    encryptedStatic: noise(48),
    encryptedTimestamp: noise(28),
    mac1: noise(16),
    mac2: new Uint8Array(16),
  });
}

export function response(sender: number, receiver: number): Uint8Array {
  const noise = (length: number) => new Uint8Array(random(length));
  const [mac1, mac2] = [noise(16), new Uint8Array(16)];
  return encodeWireguard({
    type: 'response',
    sender,
    receiver,
    ephemeral: noise(32),
    encryptedNothing: noise(16),
    mac1,
    mac2,
  });
}

export function data(receiver: number): Uint8Array {
  return encodeWireguard({ type: 'data', receiver, counter: 0n, ciphertext: new Uint8Array(random(64)) });
}
