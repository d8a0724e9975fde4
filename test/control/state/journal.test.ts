import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { JournalFile } from '../../../src/control/state/journal-file.ts';
import { entryLine, headerLine, readJournal } from '../../../src/control/state/journal-lines.ts';
import { temporaryFolder } from '../config/rig.ts';

type Context = Parameters<typeof temporaryFolder>[0];

const LINES = [
  entryLine('turn', 'a', { port: 1 }),
  entryLine('pair', 'a', { guid: 'é\u0000ÿ\n' }),
  entryLine('turn', 'b', { port: 2 }),
  entryLine('turn', 'a', { port: 3 }),
  entryLine('turn', 'b', undefined),
];

function journal(context: Context, content: string): string {
  const file = join(temporaryFolder(context), 'clients.journal');
  writeFileSync(file, content);
  return file;
}

function read(file: string) {
  const { values, note } = readJournal(file);
  return { values: [...values].map(([service, entries]) => [service, [...entries]]), note };
}

describe('lines of a journal', () => {
  test('the last line of a key is what holds', (context) => {
    const file = journal(context, headerLine() + LINES.join(''));
    const values = [
      ['turn', [['a', { port: 3 }]]],
      ['pair', [['a', { guid: 'é\u0000ÿ\n' }]]],
    ];
    assert.deepEqual(read(file), { values, note: undefined });
  });

  test('no file, or no folder, is nothing to tell of', (context) => {
    const folder = temporaryFolder(context);
    assert.deepEqual(read(join(folder, 'none')), { values: [], note: undefined });
    writeFileSync(join(folder, 'file'), '');
    assert.deepEqual(read(join(folder, 'file', 'none')), { values: [], note: undefined });
  });

  for (const [what, content, fault] of [
    ['empty', '', /: is empty: /],
    ['something else', 'state: ./state\n', /: is damaged: /],
    ['zeros, as after a power failure', '\0'.repeat(500), /: is damaged: /],
    ['a header with a wrong sum', headerLine().replace(/^./, (digit) => (digit === '0' ? '1' : '0')), /: is damaged: /],
    ['JSON that is no header', entryLine('turn', 'a', {}), /: is damaged: /],
    ['of another version', `3f044e49 {"culvert":"clients","version":2}\n`, /another version of Culvert \(format 2\)/],
  ] as const) {
    test(`${what}: one line that says so, and nothing of it`, (context) => {
      const { values, note } = read(journal(context, content));
      assert.deepEqual(values, []);
      assert.match(note ?? '', /^[^\n]+$/);
      assert.match(note ?? '', fault);
    });
  }

  test('cut anywhere: what stands before the cut', (context) => {
    const whole = Buffer.from(headerLine() + LINES.join(''));
    const file = journal(context, '');
    for (let length = whole.length - 1; length > headerLine().length; length--) {
      writeFileSync(file, whole.subarray(0, length));
      const complete = whole.subarray(0, length).toString('latin1').split('\n').length - 1;
      const isWhole = whole[length - 1] === 0x0a;
      const { values, note } = read(file);
      assert.deepEqual(values, read(journal(context, headerLine() + LINES.slice(0, complete - 1).join(''))).values);
      if (isWhole) assert.equal(note, undefined);
      else assert.match(note ?? '', new RegExp(`: ends within line ${complete + 1}: `));
    }
  });

  test('one bit off anywhere: never what was not written', (context) => {
    const whole = Buffer.from(headerLine() + LINES.join(''));
    const written = new Set(
      LINES.map((_, index) =>
        JSON.stringify(read(journal(context, headerLine() + LINES.slice(0, index).join(''))).values),
      ),
    );
    written.add(JSON.stringify(read(journal(context, whole.toString())).values));
    const file = journal(context, '');
    for (let at = 0; at < whole.length; at++) {
      const copy = Buffer.from(whole);
      copy[at] = (copy[at] ?? 0) ^ (1 << (at % 8));
      writeFileSync(file, copy);
      const { values, note } = read(file);
      assert.ok(written.has(JSON.stringify(values)), `byte ${at}`);
      assert.ok(note !== undefined, `byte ${at}`);
    }
  });

  test('what nobody of us wrote: a device, or more than fits', (context) => {
    const folder = temporaryFolder(context);
    const [device, large] = [join(folder, 'device'), join(folder, 'large')];
    symlinkSync('/dev/zero', device);
    writeFileSync(large, '');
    truncateSync(large, 2 ** 30);
    for (const file of [device, large]) assert.match(readJournal(file).note ?? '', /is no journal of ours/);
  });

  test('a folder in its place', (context) => {
    assert.match(read(temporaryFolder(context)).note ?? '', /cannot be read \(EISDIR\)/);
  });
});

describe('the file', () => {
  test('takes the place of the one before when it is whole, for its owner alone', async (context) => {
    const file = journal(context, 'before');
    chmodSync(file, 0o644);
    const next = await JournalFile.begin(file);
    await next.append(LINES[0] ?? '');
    assert.equal(readFileSync(file, 'utf8'), 'before');
    await next.takePlace();
    await next.append(LINES[1] ?? '');
    await next.close();
    assert.equal(readFileSync(file, 'utf8'), headerLine() + LINES.slice(0, 2).join(''));
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(join(file, '..')), ['clients.journal']);
  });

  test("what a killed process had begun is in nobody's way", async (context) => {
    const file = journal(context, 'before');
    writeFileSync(`${file}.tmp`, 'half', { mode: 0o644 });
    const next = await JournalFile.begin(file);
    await next.abandon();
    assert.equal(readFileSync(file, 'utf8'), 'before');
    assert.equal(existsSync(`${file}.tmp`), false);
  });

  test('rejects with what the system answers', async (context) => {
    const file = join(temporaryFolder(context), 'none', 'clients.journal');
    await assert.rejects(JournalFile.begin(file), { code: 'ENOENT' });
  });
});

test('what is appended later is read later', (context) => {
  const file = journal(context, headerLine() + LINES.join(''));
  appendFileSync(file, entryLine('turn', 'c', { port: 4 }));
  assert.deepEqual(read(file).values[0], [
    'turn',
    [
      ['a', { port: 3 }],
      ['c', { port: 4 }],
    ],
  ]);
  truncateSync(file, headerLine().length);
  assert.deepEqual(read(file).values, []);
});
