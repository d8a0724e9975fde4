import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
} from 'node:crypto';
import { openCookieReply } from '../../../src/wire/wireguard/cookie.ts';
import { keyed } from '../../../src/wire/wireguard/mac.ts';
import { decodeWireguard } from '../../../src/wire/wireguard/message.ts';

/**
 * The initiator's half of the handshake, written from the whitepaper alone: whoever made a mistake in the other half must not find it here
 * again. Keys are Buffers of 32 bytes.
 */
export class Initiator {
  readonly publicKey: Buffer;
  /** TAI64N; goes up by one with every initiation, unless it is set. */
  clock = 1n;
  cookie: Uint8Array | undefined;
  receiving: Buffer = Buffer.alloc(32);
  counter = 0n;
  theirs = 0;
  readonly #private: Buffer;
  readonly #responder: Buffer;
  readonly #random: (length: number) => Uint8Array;
  #chain: Buffer = Buffer.alloc(32);
  #hash: Buffer = Buffer.alloc(32);
  #ephemeral: Buffer = Buffer.alloc(32);
  #mac1: Buffer = Buffer.alloc(16);
  #sender = 0;
  #sending: Buffer = Buffer.alloc(32);

  constructor(privateKey: Uint8Array, responder: Uint8Array, random: (length: number) => Uint8Array) {
    this.#private = Buffer.from(privateKey);
    this.publicKey = publicOf(this.#private);
    this.#responder = Buffer.from(responder);
    this.#random = random;
  }

  /** Whitepaper §5.4.2. */
  initiate(sender: number): Buffer {
    this.#sender = sender;
    this.#ephemeral = Buffer.from(this.#random(32));
    const ephemeral = publicOf(this.#ephemeral);
    let chain = blake('Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s');
    let hash = blake(chain, 'WireGuard v1 zx2c4 Jason@zx2c4.com');
    hash = blake(hash, this.#responder);
    hash = blake(hash, ephemeral);
    chain = kdf(1, chain, ephemeral)[0];
    let keys = kdf(2, chain, dh(this.#ephemeral, this.#responder));
    const encryptedStatic = encrypt(keys[1], 0n, this.publicKey, hash);
    hash = blake(hash, encryptedStatic);
    keys = kdf(2, keys[0], dh(this.#private, this.#responder));
    const timestamp = Buffer.alloc(12);
    timestamp.writeBigUInt64BE(0x4000000000000000n + this.clock++);
    const encryptedTimestamp = encrypt(keys[1], 0n, timestamp, hash);
    this.#hash = blake(hash, encryptedTimestamp);
    this.#chain = keys[0];
    const packet = Buffer.concat([
      Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]),
      ephemeral,
      encryptedStatic,
      encryptedTimestamp,
      Buffer.alloc(32),
    ]);
    packet.writeUInt32LE(sender, 4);
    this.#mac1 = Buffer.from(keyed(blake('mac1----', this.#responder), packet.subarray(0, 116)));
    packet.set(this.#mac1, 116);
    if (this.cookie !== undefined) packet.set(keyed(this.cookie, packet.subarray(0, 132)), 132);
    return packet;
  }

  /** Whitepaper §5.4.3. False when it is no answer to the last initiation. */
  takeResponse(packet: Uint8Array): boolean {
    const message = Buffer.from(packet);
    if (message[0] !== 2 || message.length !== 92 || message.readUInt32LE(8) !== this.#sender) return false;
    const mac1 = Buffer.from(keyed(blake('mac1----', this.publicKey), message.subarray(0, 60)));
    if (!mac1.equals(message.subarray(60, 76))) return false;
    const ephemeral = message.subarray(12, 44);
    let hash = blake(this.#hash, ephemeral);
    let [chain] = kdf(1, this.#chain, ephemeral);
    chain = kdf(1, chain, dh(this.#ephemeral, ephemeral))[0];
    chain = kdf(1, chain, dh(this.#private, ephemeral))[0];
    const [mixed, tau, key] = kdf(3, chain, Buffer.alloc(32));
    hash = blake(hash, tau);
    if (decrypt(key, 0n, message.subarray(44, 60), hash) === undefined) return false;
    [this.#sending, this.receiving] = kdf(2, mixed, Buffer.alloc(0));
    this.theirs = message.readUInt32LE(4);
    this.counter = 0n;
    return true;
  }

  takeCookie(packet: Uint8Array): boolean {
    const message = decodeWireguard(packet);
    if (typeof message === 'string' || message.type !== 'cookie' || message.receiver !== this.#sender) return false;
    this.cookie = openCookieReply(message, blake('cookie--', this.#responder), this.#mac1);
    return this.cookie !== undefined;
  }

  /** Nothing = a keepalive. */
  data(text = '', counter = this.counter++): Buffer {
    const header = Buffer.alloc(16);
    header[0] = 4;
    header.writeUInt32LE(this.theirs, 4);
    header.writeBigUInt64LE(counter, 8);
    return Buffer.concat([header, encrypt(this.#sending, counter, Buffer.from(text), Buffer.alloc(0))]);
  }

  /** What a data packet says; undefined when it is not of this session. */
  read(packet: Uint8Array): string | undefined {
    const message = Buffer.from(packet);
    if (message[0] !== 4 || message.readUInt32LE(4) !== this.#sender) return undefined;
    return decrypt(this.receiving, message.readBigUInt64LE(8), message.subarray(16), Buffer.alloc(0))?.toString();
  }
}

export function publicOf(privateKey: Uint8Array): Buffer {
  const jwk = createPublicKey(secretOf(privateKey)).export({ format: 'jwk' });
  return Buffer.from(jwk.x ?? '', 'base64url');
}

function secretOf(privateKey: Uint8Array) {
  const key = Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), privateKey]);
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' });
}

function dh(privateKey: Buffer, publicKey: Buffer): Buffer {
  const jwk = { kty: 'OKP', crv: 'X25519', x: publicKey.toString('base64url') };
  return diffieHellman({ privateKey: secretOf(privateKey), publicKey: createPublicKey({ key: jwk, format: 'jwk' }) });
}

function blake(...parts: (Buffer | string)[]): Buffer {
  const hash = createHash('blake2s256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function kdf(count: number, chain: Buffer, input: Buffer): [Buffer, Buffer, Buffer] {
  const mac = (key: Buffer, ...parts: Buffer[]) => createHmac('blake2s256', key).update(Buffer.concat(parts)).digest();
  const secret = mac(chain, input);
  const out = [mac(secret, Buffer.of(1))];
  for (let number = 2; number <= count; number++)
    out.push(mac(secret, out.at(-1) ?? Buffer.alloc(0), Buffer.of(number)));
  const [first = Buffer.alloc(0), second = Buffer.alloc(0), third = Buffer.alloc(0)] = out;
  return [first, second, third];
}

function encrypt(key: Buffer, counter: bigint, plain: Buffer, aad: Buffer): Buffer {
  const cipher = createCipheriv('chacha20-poly1305', key, nonce(counter), { authTagLength: 16 });
  cipher.setAAD(aad, { plaintextLength: plain.length });
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(key: Buffer, counter: bigint, sealed: Buffer, aad: Buffer): Buffer | undefined {
  const decipher = createDecipheriv('chacha20-poly1305', key, nonce(counter), { authTagLength: 16 });
  decipher.setAAD(aad, { plaintextLength: sealed.length - 16 });
  decipher.setAuthTag(sealed.subarray(-16));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
  } catch {
    return undefined;
  }
}

function nonce(counter: bigint): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeBigUInt64LE(counter, 4);
  return bytes;
}
