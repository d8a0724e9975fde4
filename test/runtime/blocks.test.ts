import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Config } from '../../src/control/config/schema.ts';
import type { Log } from '../../src/control/log/log.ts';
import { parseEndpoint } from '../../src/net/endpoint.ts';
import { parsePrefix } from '../../src/net/prefix.ts';
import { Blocks } from '../../src/runtime/blocks.ts';
import { temporaryFolder } from '../control/config/rig.ts';

const NOW = 1_800_000_000_000;

function rig(state: string, block: readonly string[] = [], limit = 0) {
  const told: string[] = [];
  const note = (message: string) => void told.push(message);
  const log: Log = { trace: note, debug: note, info: note, warn: note, error: note, fatal: note };
  const strikes = { limit, window: 10_000, duration: 60_000 };
  const limits = { block: block.flatMap((text) => parsePrefix(text) ?? []), strikes };
  const time = { now: NOW, applied: 0 };
  const blocks = new Blocks({
    config: { state, limits } as unknown as Config,
    log,
    clock: () => time.now,
    apply: () => time.applied++,
  });
  const prefixes = () =>
    blocks
      .views()
      .map(({ prefix, by }) => `${prefix} ${by}`)
      .sort();
  return { blocks, time, told, prefixes };
}

test('what people block is kept, with its end; the rest is not written', (context) => {
  const folder = temporaryFolder(context);
  const first = rig(folder, ['198.51.100.0/24']);
  assert.deepEqual(first.blocks.add('192.0.2.1', NOW + 1000, 'why'), { ok: true, prefix: '192.0.2.1/32', kept: true });
  first.blocks.add('2001:db8::/32', undefined, '');
  const again = rig(folder);
  assert.deepEqual(again.prefixes(), ['192.0.2.1/32 manual', '2001:db8::/32 manual']);
  again.time.now += 1000;
  assert.deepEqual([again.prefixes(), again.blocks.size], [['2001:db8::/32 manual'], 1]);
  assert.deepEqual(again.blocks.remove('2001:db8::/32'), { ok: true, prefix: '2001:db8::/32', kept: true });
  assert.deepEqual(rig(folder).prefixes(), []);
});

test('IPv4 in IPv6 form is IPv4', (context) => {
  const { blocks, prefixes } = rig(temporaryFolder(context));
  blocks.add('::ffff:192.0.2.0/120', undefined, '');
  assert.deepEqual(prefixes(), ['192.0.2.0/24 manual']);
});

test('what the configuration blocks has no end, whatever people do', (context) => {
  const { blocks, prefixes } = rig(temporaryFolder(context), ['192.0.2.0/24']);
  assert.equal(blocks.add('192.0.2.0/24', NOW + 1, '').ok, false);
  assert.equal(blocks.remove('192.0.2.0/24').ok, false);
  blocks.add('203.0.113.1', undefined, '');
  blocks.configure([parsePrefix('203.0.113.0/24')].filter((prefix) => prefix !== undefined));
  assert.deepEqual(prefixes(), ['203.0.113.0/24 configured', '203.0.113.1/32 manual']);
});

test('services hear of a block at once, of a flood of automatic ones now and then', async (context) => {
  const { blocks, time } = rig(temporaryFolder(context), [], 1);
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  await turn();
  time.applied = 0;
  blocks.add('192.0.2.1', undefined, '');
  await turn();
  assert.equal(time.applied, 1);
  for (let index = 1; index <= 100; index++) {
    strikeOut(blocks, `198.51.100.${index}`);
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(blocks.size, 101);
  assert.ok(time.applied >= 2);
  blocks.close();
});

test('what strikes block is kept for the rest of its time, at the latest when the relay ends', (context) => {
  const folder = temporaryFolder(context);
  const first = rig(folder, [], 1);
  strikeOut(first.blocks, '198.51.100.1', NOW - 20_000);
  strikeOut(first.blocks, '2001:db8::1');
  first.blocks.close();
  // The next process may have the file by now.
  strikeOut(first.blocks, '198.51.100.2');
  first.blocks.close();

  const again = rig(folder, [], 1);
  assert.deepEqual(again.prefixes(), ['198.51.100.1/32 rate', '2001:db8::1/128 rate']);
  assert.equal(again.blocks.views()[0]?.expiresAt, new Date(NOW + 40_000).toISOString());
  again.time.now += 40_000;
  assert.deepEqual(again.prefixes(), ['2001:db8::1/128 rate']);
  assert.deepEqual(rig(folder, [], 0).prefixes(), [], 'there are no strikes any more');
  again.blocks.add('192.0.2.1', undefined, '');
  const later = rig(folder, ['2001:db8::1/128'], 1);
  assert.deepEqual(later.prefixes(), ['192.0.2.1/32 manual', '2001:db8::1/128 configured']);
});

test('automatic blocks are written soon, all at once, and not without number', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const folder = temporaryFolder(context);
  const { blocks } = rig(folder, [], 1);
  for (let index = 0; index < 10_500; index++) strikeOut(blocks, `10.0.${index >> 8}.${index & 255}`, NOW + index);
  context.mock.timers.tick(999);
  assert.equal(existsSync(join(folder, 'blocks.json')), false);
  context.mock.timers.tick(1);
  const again = rig(folder, [], 1);
  assert.equal(again.blocks.size, 10_000);
  assert.equal(again.blocks.list.isBlocked({ family: 4, address: '10.0.0.0', port: 1 }, NOW), false, 'the oldest');
  strikeOut(again.blocks, '192.0.2.1');
  assert.equal(again.blocks.size, 10_000);
  again.blocks.close();
});

function strikeOut(blocks: Blocks, address: string, now = NOW): void {
  const from = parseEndpoint(address.includes(':') ? `[${address}]:1` : `${address}:1`);
  assert.ok(from);
  for (let strike = 0; strike < 2; strike++) blocks.list.strike(from, now);
}

test('a file that is damaged is said, one that cannot be written too', (context) => {
  const folder = temporaryFolder(context);
  writeFileSync(join(folder, 'blocks.json'), '{"version":1,"blocks":[{"prefix":7}]}');
  assert.match(rig(folder).told.join(), /blocks\.json .* is damaged/);
  // Beyond what a Date can be: a list of blocks could not be shown.
  writeFileSync(
    join(folder, 'blocks.json'),
    '{"version":1,"blocks":[{"prefix":"192.0.2.1","expiresAt":1e999,"note":""}]}',
  );
  assert.match(rig(folder).told.join(), /blocks\.json .* is damaged/);
  const file = join(folder, 'file');
  writeFileSync(file, '');
  const { blocks, told } = rig(join(file, 'state'));
  const result = blocks.add('192.0.2.1', undefined, '');
  assert.equal(result.ok && result.kept, false);
  assert.match(told.join(), /not kept over a restart/);
});

test('they are not without number', (context) => {
  const folder = join(temporaryFolder(context), 'state');
  mkdirSync(folder);
  const many = Array.from({ length: 20_000 }, (_, index) => ({
    prefix: `10.${index >> 8}.${index & 255}.0/24`,
    note: '',
  }));
  writeFileSync(join(folder, 'blocks.json'), JSON.stringify({ version: 1, blocks: many }));
  const { blocks } = rig(folder);
  assert.equal(blocks.size, 20_000);
  const result = blocks.add('192.0.2.1', undefined, '');
  assert.equal(!result.ok && result.failure, 'too-many');
  assert.equal(JSON.parse(readFileSync(join(folder, 'blocks.json'), 'utf8')).blocks.length, 20_000);
});
