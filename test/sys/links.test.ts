import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { interfaceIndex } from '../../src/sys/interfaces.ts';
import { linksOf } from '../../src/sys/links.ts';
import { enterNamespace, ip } from '../engine/xdp/namespace.ts';
import { missing } from '../requirements.ts';

describe('interfaces and their hardware addresses', { skip: missing('netns', 'ffi') }, () => {
  before(() => {
    enterNamespace();
    ip('link', 'add', 'one', 'address', '02:00:00:00:00:01', 'type', 'veth', 'peer', 'name', 'two');
    ip('link', 'set', 'two', 'address', '02:00:00:00:00:02');
  });

  const found = (names: readonly string[], members = false): string[] =>
    linksOf(names.map(interfaceIndex), members).map(
      ({ ifindex, address }) => `${ifindex} ${Buffer.from(address).toString('hex')}`,
    );
  const is = (name: string, address: string): string => `${interfaceIndex(name)} ${address}`;

  test('as they are now', () => {
    assert.deepEqual(found(['one', 'two']), [is('one', '020000000001'), is('two', '020000000002')]);
    ip('link', 'set', 'one', 'address', '02:00:00:00:00:0a');
    assert.deepEqual(found(['two', 'one']), [is('two', '020000000002'), is('one', '02000000000a')]);
    assert.deepEqual(found([]), []);
  });

  test('what is gone, or no Ethernet, is left out', () => {
    assert.deepEqual(found(['none', 'lo', 'two']), [is('two', '020000000002')]);
  });

  test('members, more than one answer of the kernel holds', () => {
    ip('link', 'add', 'bundle', 'address', '02:00:00:00:00:ff', 'type', 'bridge');
    const members = Array.from({ length: 16 }, (_, index) => `member${index}`);
    for (const [index, name] of members.entries()) {
      ip('link', 'add', name, 'address', mac(2 * index), 'type', 'veth', 'peer', 'address', mac(2 * index + 1));
      ip('link', 'set', name, 'master', 'bundle');
    }
    assert.deepEqual(found(['bundle']), [is('bundle', '0200000000ff')]);
    const wanted = members.map((name, index) => is(name, mac(2 * index).replaceAll(':', '')));
    assert.deepEqual(found(['bundle', 'one'], true).slice(2).sort(), wanted.sort());
  });
});

function mac(number: number): string {
  return `02:00:00:00:01:${number.toString(16).padStart(2, '0')}`;
}
