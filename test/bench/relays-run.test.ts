import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Results } from '../../bench/lib/benchmark.ts';
import type { SpreadSample } from '../../bench/lib/load.ts';
import { root } from '../../bench/lib/paths.ts';
import { afterwards } from '../afterwards.ts';
import { missing } from '../requirements.ts';

// Long enough for every contestant to deliver; what it delivers is looked at elsewhere.
const QUICK = ['--quick', '--seconds', '0.15'];

test('pair over loopback: tables, raw samples and a plot; an unknown part is wrong usage', {
  skip: missing('cc'),
}, (t) => {
  const { results, files } = run(t, 'pair', '--loopback', '--only', 'culvert,bare,direct');
  assert.deepEqual(results.faults, []);
  assert.deepEqual(measured(results, 'data'), ['culvert', 'bare', 'direct']);
  assert.deepEqual(measured(results, 'meet'), ['culvert']);
  assert.deepEqual(measured(results, 'memory'), ['culvert']);
  assert.deepEqual(files, ['json', 'md', 'svg']);

  const { status, stderr } = bench('pair', '--parts', 'nothing');
  assert.equal(status, 2);
  assert.match(stderr, /^bench: no part "nothing"; there are data, sessions, memory\nusage: npm run bench -- pair /);
});

test('WireGuard in namespaces: peers join through every relay, and only the flooding one multiplies', {
  skip: missing('cc', 'netns', 'socat', 'nft'),
}, (t) => {
  const { results } = run(t, 'wireguard', '--parts', 'two,amplification');
  assert.deepEqual(results.faults, []);
  assert.deepEqual(measured(results, 'data'), ['culvert', 'culvert-open', 'flooding', 'socat', 'nftables', 'direct']);
  const { samples } = results.trials.find(({ kind, cell }) => kind === 'spread' && cell === '8 peers') ?? {};
  const [ours, open, flooding] = ['culvert', 'culvert-open', 'flooding'].map((name) => samples?.[name]?.[0]);
  assert.deepEqual(ours, { sent: 200, right: 200, wrong: 0 } satisfies SpreadSample);
  assert.deepEqual(open, ours);
  assert.deepEqual(flooding, { sent: 200, right: 200, wrong: 1200 } satisfies SpreadSample);
});

test('forward in namespaces: every rival takes part in TCP and in UDP', {
  skip: missing('cc', 'netns', 'socat', 'nft', 'haproxy', 'nginx'),
}, (t) => {
  const { results } = run(t, 'forward', '--parts', 'throughput,udp');
  assert.deepEqual(results.faults, []);
  const tcp = ['culvert', 'socat', 'socat-1m', 'haproxy-auto', 'haproxy-splice', 'nginx', 'nftables', 'direct'];
  assert.deepEqual(measured(results, 'stream'), tcp);
  assert.deepEqual(measured(results, 'data'), ['culvert', 'socat', 'nginx', 'bare', 'nftables', 'direct']);
});

test('forward in namespaces: connections and round trips', { skip: missing('cc', 'netns') }, (t) => {
  const { results } = run(t, 'forward', '--parts', 'connections', '--only', 'culvert,direct');
  assert.deepEqual(results.faults, []);
  for (const kind of ['connect', 'trip']) assert.deepEqual(measured(results, kind), ['culvert', 'direct']);
});

test('a rival that is not installed is named with its package, and the others are measured', {
  skip: missing('cc'),
}, () => {
  const command = [join(root, 'bench/main.ts'), 'forward', ...QUICK, '--loopback', '--parts', 'udp'];
  const { status, stdout } = spawnSync(process.execPath, [...command, '--only', 'nftables,direct'], {
    encoding: 'utf8',
    timeout: 120_000,
  });
  assert.equal(status, 1);
  assert.match(stdout, /\*\*Fault\.\*\* nftables: (nft is not installed|nftables needs a network namespace)/);
  assert.match(stdout, /\| direct \| [\d,]{4,} \|/);
});

function run(t: TestContext, name: string, ...args: string[]): { results: Results; files: string[] } {
  const out = mkdtempSync(join(tmpdir(), 'culvert-bench-test-'));
  afterwards(t, () => rmSync(out, { recursive: true, force: true }));
  const { status, stdout, stderr } = bench(name, ...QUICK, '--out', out, ...args);
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  const kept = readdirSync(out).sort();
  const json = kept.find((file) => file.endsWith('.json')) ?? '';
  assert.match(json, new RegExp(`^${name}(-[a-z]+)*-\\d{4}-\\d\\d-\\d\\d\\.json$`));
  return {
    results: JSON.parse(readFileSync(join(out, json), 'utf8')) as Results,
    files: kept.map((file) => file.split('.').at(-1) ?? ''),
  };
}

/** Who has samples of that kind. */
function measured({ trials }: Results, kind: string): string[] {
  const [first] = trials.filter((trial) => trial.kind === kind);
  return Object.keys(first?.samples ?? {});
}

function bench(...args: string[]) {
  return spawnSync(process.execPath, [join(root, 'bench/main.ts'), ...args], { encoding: 'utf8', timeout: 240_000 });
}
