import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as types from '../../../src/wire/stun/attribute-types.ts';

test('every type has the name of its constant', () => {
  for (const [constant, type] of Object.entries(types)) {
    if (typeof type !== 'number' || constant.startsWith('DRAFT_')) continue;
    assert.equal(types.attributeName(type), constant.replaceAll('_', '-'));
  }
});

test('names for people', () => {
  assert.equal(types.attributeName(types.DRAFT_ADDITIONAL_ADDRESS_FAMILY), 'ADDITIONAL-ADDRESS-FAMILY (draft)');
  assert.equal(types.attributeName(0x0024), 'PRIORITY');
  assert.equal(types.attributeName(0x7abc), '0x7abc');
  assert.equal(types.attributeName(0x000f), '0x000f');
});
