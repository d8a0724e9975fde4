import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decodeLegacy, LEGACY_FORMS, type LegacyForm } from '../../../src/wire/pair/legacy.ts';
import { encodeMessage } from '../../../src/wire/stun/codec.ts';
import { METHOD_BINDING } from '../../../src/wire/stun/message.ts';
import { GUID, KEY, vector } from './vectors.ts';

const ALL: ReadonlySet<LegacyForm> = new Set(LEGACY_FORMS);
const guid = Buffer.from(GUID, 'hex').map((byte) => byte | 0x80);
const guidText = Buffer.from(guid).toString('hex');
const magic = [0x04, 0xb2, 0x80, 0x00];

const examples: Readonly<Record<LegacyForm, Uint8Array>> = {
  'v0.8.0': vector('v0.8.0'),
  'v0.5': Uint8Array.of(...magic, 0, 0, 0, 0, ...guid),
  'v0.4': Uint8Array.of(...magic, ...guid),
  'v0.1': Uint8Array.of(0, 1, 0x03, 0xe0, ...guid, ...new Uint8Array(1004)),
  'v0.3.6': Uint8Array.of(0, 1, 0, 20, ...guid),
};

describe('legacy forms', () => {
  for (const form of LEGACY_FORMS) {
    test(`${form} is known alone and among the others, and only where it is accepted`, () => {
      const expected = { form, guid: form === 'v0.8.0' ? GUID : guidText };
      assert.deepEqual(decodeLegacy(examples[form], new Set([form]), [KEY]), expected);
      assert.deepEqual(decodeLegacy(examples[form], ALL, [KEY]), expected);
      assert.equal(decodeLegacy(examples[form], new Set(), [KEY]), undefined);
    });

    test(`${form} one byte too short is none`, () => {
      const short = examples[form].subarray(0, examples[form].length - 1);
      assert.equal(decodeLegacy(short, new Set([form]), [KEY]), undefined);
    });

    test(`${form} with a zero GUID is none`, () => {
      const zero = examples[form].slice();
      const offset = form === 'v0.8.0' || form === 'v0.5' ? 8 : 4;
      zero.fill(0, offset, offset + 16);
      assert.equal(decodeLegacy(zero, new Set([form]), [KEY]), undefined);
    });
  }

  test('v0.8.0 with another key is none', () => {
    assert.equal(decodeLegacy(examples['v0.8.0'], new Set(['v0.8.0']), [new Uint8Array(32)]), undefined);
  });

  test('a STUN Binding is not v0.3, although it begins like it', () => {
    const message = {
      class: 'request',
      method: METHOD_BINDING,
      transactionId: new Uint8Array(12),
      attributes: {},
    } as const;
    assert.equal(decodeLegacy(encodeMessage(message), ALL, [KEY]), undefined);
  });

  test('any bytes are read or refused, never thrown at', () => {
    const starts = fc.constantFrom([], magic, [0, 1], [0, 1, 3, 0xe0]);
    fc.assert(
      fc.property(starts, fc.uint8Array({ maxLength: 70 }), (start, tail) => {
        const packet = Uint8Array.of(...start, ...tail);
        const found = decodeLegacy(packet, ALL, [KEY]);
        if (found !== undefined) assert.match(found.guid, /^(?!0{32})[0-9a-f]{32}$/);
      }),
    );
  });
});
