import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from '../../bench/lib/paths.ts';
import type { Results } from '../../bench/turn/results.ts';
import { afterwards } from '../afterwards.ts';
import { missing } from '../requirements.ts';

const main = join(root, 'bench/main.ts');
// Long enough for every contestant to deliver; what it delivers is looked at elsewhere.
const QUICK = ['turn', '--quick', '--seconds', '0.15'];

test('without a name, or with an unknown one: what there is, and exit code 2', () => {
  for (const args of [[], ['nothing'], ['toString']]) {
    const { status, stderr } = bench(args);
    assert.equal(status, 2);
    assert.match(stderr, /npm run bench -- turn\n(.*\n)*.*npm run bench -- wire\n/);
  }
});

test('wrong options: one line of reason, usage, exit code 2', () => {
  const { status, stderr } = bench(['turn', '--rounds', 'many']);
  assert.equal(status, 2);
  assert.match(stderr, /^bench: --rounds takes 1 to 100\nusage:/);
});

test('usage that is asked for: on standard output, exit code 0', () => {
  for (const [args, usage] of [
    [['--help'], /^usage.*\n {2}npm run bench -- turn\n/],
    [['turn', '-h'], /^usage: npm run bench -- turn \[options\]\n/],
    [['pair', '--help'], /^usage: npm run bench -- pair \[options\]\n/],
    [['guard', '--help'], /^usage: npm run bench -- guard \[options\]\n/],
    [['wire', '--help'], /^usage: npm run bench -- wire \[NAME\]\n$/],
  ] as const) {
    const { status, stdout, stderr } = bench([...args]);
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, usage);
  }
});

test('the bare forwarder over loopback gives a table', { skip: missing('cc') }, () => {
  const { status, stdout, stderr } = bench([...QUICK, '--loopback', '--only', 'bare']);
  assert.equal(status, 0, stderr);
  assert.match(stdout, /loopback; relay on core/);
  assert.match(stdout, /\| client → peer \| 1 \| 160 B \| bare \| [\d,]{4,} \|/);
  assert.match(stdout, /\| peer → client \| 64 \| 160 B \| bare \| [\d,]{4,} \|/);
});

test('all contestants in namespaces: every table has its rows, and nothing is left behind', {
  skip: missing('cc', 'netns', 'coturn'),
}, (t) => {
  const out = mkdtempSync(join(tmpdir(), 'culvert-bench-test-'));
  afterwards(t, () => rmSync(out, { recursive: true, force: true }));
  const { pid, status, stdout, stderr } = bench([...QUICK, '--out', out]);
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  assert.match(stdout, /network namespaces joined by veth/);
  for (const name of ['culvert', 'coturn', 'bare']) {
    assert.match(stdout, new RegExp(`\\| client → peer \\| 1 \\| 160 B \\| ${name} \\| [\\d,]{4,} \\|`));
  }

  const [json = ''] = readdirSync(out).filter((file) => /^turn-\d{4}-\d\d-\d\d\.json$/.test(file));
  const results = JSON.parse(readFileSync(join(out, json), 'utf8')) as Results;
  assert.deepEqual(results.faults, []);
  assert.equal(readFileSync(join(out, json.replace('.json', '.md')), 'utf8').trimEnd(), stdout.trimEnd());
  for (const { samples } of results.data) {
    for (const one of Object.values(samples).flat()) assert.equal(one.alien, 0);
  }
  for (const one of Object.values(results.churn).flat()) {
    assert.ok(one.cycles > 0);
    assert.equal(one.failed, 0, one.fault);
  }
  assert.deepEqual(namespacesOf(pid), []);
});

test('SIGINT in the middle of a run ends what it started and removes its namespaces', {
  skip: missing('cc', 'netns'),
}, async () => {
  const child = spawn(process.execPath, [main, 'turn', '--only', 'bare'], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(child, 'close');
  const inside: string[] = [];
  let said = '';
  for await (const chunk of child.stderr.setEncoding('utf8')) {
    said += chunk;
    if (!said.includes('bare, up')) continue;
    for (const name of namespacesOf(child.pid)) inside.push(...processesIn(name));
    assert.notEqual(inside.length, 0);
    child.kill('SIGINT');
    break;
  }
  assert.deepEqual(await ended, [130, null], said);
  assert.deepEqual(namespacesOf(child.pid), []);
  assert.deepEqual(
    inside.filter((pid) => isRunning(pid)),
    [],
  );
});

function namespacesOf(pid: number | undefined): string[] {
  const names = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' }).stdout.split('\n');
  return names.map((line) => line.split(' ')[0] ?? '').filter((name) => name.startsWith(`culvert-bench-${pid}-`));
}

function processesIn(namespace: string): string[] {
  return spawnSync('ip', ['netns', 'pids', namespace], { encoding: 'utf8' }).stdout.split('\n').filter(Boolean);
}

/** A killed process stays a zombie until somebody has asked for its exit code. */
function isRunning(pid: string): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

function bench(args: string[]) {
  return spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', timeout: 120_000 });
}
