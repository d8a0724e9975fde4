// The whole suite in one run with one summary: first the files that compute or wait, two at a time; then those that measure speed, lead programs
// of others or use the ports of the examples, alone. "npm test" starts it under the pinned Node.
import { globSync } from 'node:fs';
import { join, relative } from 'node:path';
import { Readable } from 'node:stream';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { root } from './setup.mjs';

const ALONE = ['bench', 'examples', 'interop'];
const SLOWEST = 12;
const WATCHED = ['--import', new URL('watchdog.mjs', import.meta.url).href];

const folderOf = (file) => relative(join(root, 'test'), file).split('/')[0];
const files = globSync('test/**/*.test.ts', { cwd: root })
  .map((file) => join(root, file))
  .sort();
const parts = [
  { files: files.filter((file) => !ALONE.includes(folderOf(file))), concurrency: 2 },
  { files: files.filter((file) => ALONE.includes(folderOf(file))), concurrency: 1 },
];

Readable.from(events()).compose(new spec()).pipe(process.stdout);

/** What the runs report, with one end instead of theirs. */
async function* events() {
  const counts = {};
  const times = [];
  let duration = 0;
  for (const part of parts) {
    for await (const event of run({ ...part, cwd: root, execArgv: WATCHED })) {
      const { type, data } = event;
      if (type === 'test:summary') {
        if (data.file !== undefined) times.push({ file: relative(root, data.file), seconds: data.duration_ms / 1000 });
        else {
          for (const [name, count] of Object.entries(data.counts)) counts[name] = (counts[name] ?? 0) + count;
          duration += data.duration_ms;
          if (!data.success) process.exitCode = 1;
        }
      } else if (type !== 'test:diagnostic' || data.file !== undefined) yield event;
    }
  }
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
