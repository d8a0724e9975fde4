// The whole suite in one run with one summary: first the files that compute or wait, two at a time; then those that lead programs of others or use
// the ports of the examples, one at a time, and beside them one at a time of those that mostly wait for the timers of others; last those that
// measure speed, alone. "npm test" starts it under the pinned Node.
import { globSync } from 'node:fs';
import { join, relative } from 'node:path';
import { Readable } from 'node:stream';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { root } from './setup.mjs';

const LEADING = ['examples', 'interop'];
const MEASURING = ['bench'];
const WAITING = [
  'forward-dns',
  'pair',
  'pair-probe',
  'restart',
  'socket-activation',
  'wireguard',
  'wireguard-proof',
].map((name) => `interop/${name}.test.ts`);
const SLOWEST = 12;
const WATCHED = ['--import', new URL('watchdog.mjs', import.meta.url).href];

const files = globSync('test/**/*.test.ts', { cwd: root })
  .map((file) => join(root, file))
  .sort();
const pathOf = (file) => relative(join(root, 'test'), file);
const isIn = (folders) => (file) => folders.includes(pathOf(file).split('/')[0]);
const isWaiting = (file) => WAITING.includes(pathOf(file));
/** What is in one row runs at the same time. */
const rows = [
  [{ files: files.filter((file) => !isIn([...LEADING, ...MEASURING])(file)), concurrency: 2 }],
  [
    { files: files.filter((file) => isIn(LEADING)(file) && !isWaiting(file)), concurrency: 1 },
    { files: files.filter(isWaiting), concurrency: 1 },
  ],
  [{ files: files.filter(isIn(MEASURING)), concurrency: 1 }],
];

Readable.from(events()).compose(new spec()).pipe(process.stdout);

/** What the runs report, with one end instead of theirs. */
async function* events() {
  const begin = performance.now();
  const counts = {};
  const times = [];
  for (const row of rows) {
    // Each goes on whether its reports are read or not: one after the other, they stay whole.
    for (const reports of row.map((part) => run({ ...part, cwd: root, execArgv: WATCHED }))) {
      for await (const event of reports) {
        const { type, data } = event;
        if (type === 'test:summary') {
          if (data.file !== undefined)
            times.push({ file: relative(root, data.file), seconds: data.duration_ms / 1000 });
          else {
            for (const [name, count] of Object.entries(data.counts)) counts[name] = (counts[name] ?? 0) + count;
            if (!data.success) process.exitCode = 1;
          }
        } else if (type !== 'test:diagnostic' || data.file !== undefined) yield event;
      }
    }
  }
  const duration = performance.now() - begin;
  const slowest = times.sort((a, b) => b.seconds - a.seconds).slice(0, SLOWEST);
  const { tests, suites, passed, failed, cancelled, skipped, todo } = counts;
  yield* [
    `slowest: ${slowest.map(({ file, seconds }) => `${file} ${seconds.toFixed(0)} s`).join(', ')}`,
    ...Object.entries({
      tests,
      suites,
      pass: passed,
      fail: failed,
      cancelled,
      skipped,
      todo,
      duration_ms: duration,
    }).map(([name, value]) => `${name} ${value}`),
  ].map((message) => ({ type: 'test:diagnostic', data: { nesting: 0, message, level: 'info' } }));
  yield { type: 'test:summary', data: { success: process.exitCode !== 1, counts, duration_ms: duration } };
}
