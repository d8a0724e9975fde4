import assert from 'node:assert/strict';
import { test } from 'node:test';
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { blake2s } from '@noble/hashes/blake2.js';
import fc from 'fast-check';
import { keyedBlake2s } from '../../../src/wire/wireguard/blake2s.ts';
import { hChaCha20, openXChaCha, sealXChaCha } from '../../../src/wire/wireguard/xchacha20poly1305.ts';

const bytes = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength });
const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(':', ''), 'hex'));

test('keyed BLAKE2s is that of an independent library, for every length of key, result and message', () => {
  fc.assert(
    fc.property(bytes(1, 32), fc.integer({ min: 1, max: 32 }), bytes(0, 300), (key, length, message) => {
      assert.deepEqual(keyedBlake2s(key, length, message), blake2s(message, { key, dkLen: length }));
    }),
  );
});

test('HChaCha20: the vector of draft-irtf-cfrg-xchacha section 2.2.1', () => {
  const key = Uint8Array.from({ length: 32 }, (_, index) => index);
  const subkey = hChaCha20(key, hex('00:00:00:09:00:00:00:4a:00:00:00:00:31:41:59:27'));
  assert.equal(Buffer.from(subkey).toString('hex'), '82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc');
});

test('XChaCha20-Poly1305 is that of an independent library, and opens what was not touched only', () => {
  fc.assert(
    fc.property(bytes(32, 32), bytes(24, 24), bytes(0, 100), bytes(0, 40), fc.nat(), (key, nonce, plain, aad, at) => {
      const sealed = sealXChaCha(key, nonce, plain, aad);
      assert.deepEqual(sealed, xchacha20poly1305(key, nonce, aad).encrypt(plain));
      assert.deepEqual(openXChaCha(key, nonce, sealed, aad), plain);
      const index = at % sealed.length;
      sealed[index] = (sealed[index] ?? 0) ^ 1;
      assert.equal(openXChaCha(key, nonce, sealed, aad), undefined);
    }),
  );
});

test('what is shorter than a tag is not opened', () => {
  assert.equal(openXChaCha(new Uint8Array(32), new Uint8Array(24), new Uint8Array(15), new Uint8Array(0)), undefined);
});
