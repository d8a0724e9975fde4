import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Diagnosis } from '../../src/runtime/doctor/doctor.ts';
import { afterwards } from '../afterwards.ts';
import { temporaryFolder } from '../control/config/rig.ts';
import { freePort } from '../ports.ts';
import { missing } from '../requirements.ts';
import { culvert, culvertUp } from './culvert.ts';

/** One service on loopback, so that nothing of the machine is in the way. */
function settings(context: TestContext, ...more: string[]): string[] {
  const state = `state=${join(temporaryFolder(context), 'state')}`;
  const all = ['turn.quota.total=10', 'limits.connections=10', 'admin.listen=off', state, ...more];
  return all.flatMap((setting) => ['--set', setting]);
}

const quiet = ['wireguard.listen=udp://127.0.0.1:0', 'pair.listen=udp://127.0.0.1:0'];

async function diagnosis(args: readonly string[]): Promise<{ code: number | null; found: Diagnosis }> {
  const done = await culvert(['doctor', '--json', ...args]);
  assert.equal(done.stderr, '');
  return { code: done.code, found: JSON.parse(done.stdout) };
}

const named = (found: Diagnosis, subject: string, name: string) =>
  found.findings.find((finding) => finding.subject === subject && finding.name === name);

test('a configuration that runs: exit code 0, and what was found', async (context) => {
  const port = await freePort();
  const { code, found } = await diagnosis(settings(context, ...quiet, `turn.listen=tcp://127.0.0.1:${port}`));
  assert.deepEqual(
    found.findings.filter(({ level }) => level === 'problem'),
    [],
  );
  assert.equal(code, 0);
  assert.deepEqual(Object.keys(found), ['version', 'ok', 'engine', 'findings']);
  assert.deepEqual([found.ok, found.engine.wanted], [true, 'auto']);
  assert.match(named(found, 'ports', 'free')?.what ?? '', new RegExp(`tcp ${port}`));
  const subjects = new Set(found.findings.map(({ subject }) => subject));
  for (const subject of [
    'engine',
    'kernel',
    'rights',
    'limits',
    'addresses',
    'ports',
    'firewall',
    'files',
    'clock',
  ] as const)
    assert.ok(subjects.has(subject), subject);
});

test('for people: aligned lines, what to do, and a last sentence', async (context) => {
  const port = await freePort();
  const done = await culvert(['doctor', ...settings(context, ...quiet, `turn.listen=tcp://127.0.0.1:${port}`)]);
  assert.equal(done.code, 0, done.stdout);
  const lines = done.stdout.trimEnd().split('\n');
  assert.match(lines[0] ?? '', /^Culvert \d/);
  assert.equal(lines.at(-1), 'What is asked for works.');
  for (const line of lines.slice(1, -1)) assert.match(line, /^ {2}[a-z]* +(?:ok|note|problem) +\S|^ {21}→ \S/);
});

test('a port that somebody has: exit code 1, and who', async (context) => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  afterwards(context, () => socket.close());
  const { port } = socket.address();
  const { code, found } = await diagnosis(settings(context, ...quiet, `turn.listen=udp://0.0.0.0:${port}`));
  assert.equal(code, 1);
  assert.equal(found.ok, false);
  const finding = named(found, 'ports', `udp-${port}`);
  assert.equal(finding?.level, 'problem');
  assert.match(finding?.what ?? '', new RegExp(`in use by \\S.* \\(process ${process.pid}\\)$`));
  assert.match(finding?.fix ?? '', /change turn\.listen$/);
});

test('our own relay that runs there is said to be that, and is no problem', async (context) => {
  const args = settings(context, ...quiet, `turn.listen=udp://127.0.0.1:${await freePort()}`);
  const running = await culvertUp(context, args);
  const { code, found } = await diagnosis(args);
  assert.deepEqual(
    found.findings.filter(({ level }) => level === 'problem'),
    [],
  );
  assert.equal(code, 0);
  const finding = named(found, 'ports', 'running');
  assert.match(finding?.what ?? '', new RegExp(`process ${running.child.pid}\\), and has udp`));
  assert.match(finding?.fix ?? '', /--takeover/);
});

test('a faulty configuration is exit code 2, as everywhere', async () => {
  const done = await culvert(['doctor', '--set', 'turn.relm=x']);
  assert.deepEqual([done.code, done.stdout], [2, '']);
  assert.match(done.stderr, /^culvert: --set turn\.relm: /);
});

describe('a machine that lacks something', () => {
  const launcher = fileURLToPath(new URL('../../bin/culvert.mjs', import.meta.url));
  const run = async (command: string, args: readonly string[]): Promise<{ code: number; found: Diagnosis }> =>
    new Promise((resolve) => {
      execFile(command, args, (error, stdout) =>
        resolve({ code: Number(error?.code ?? 0), found: JSON.parse(stdout) }),
      );
    });
  const doctor = [process.execPath, launcher, 'doctor', '--json'];
  const bare = (args: readonly string[]) =>
    run('setpriv', ['--bounding-set=-all', '--inh-caps=-all', ...doctor, ...args]);
  const hidden = (file: string, args: readonly string[]) =>
    run('unshare', ['--mount', 'sh', '-c', 'mount --bind /dev/null "$0" && exec "$@"', file, ...doctor, ...args]);

  test('without capabilities auto runs, xdp does not, and the fix names them', {
    skip: missing('root', 'ffi'),
  }, async (context) => {
    const listen = `turn.listen=tcp://127.0.0.1:${await freePort()}`;
    const { code, found } = await bare(settings(context, ...quiet, listen));
    assert.equal(code, 0);
    assert.equal(found.engine.runs, 'batched');
    assert.match(named(found, 'rights', 'xdp')?.fix ?? '', /AmbientCapabilities=CAP_BPF CAP_PERFMON CAP_NET_ADMIN/);
    assert.equal(named(found, 'firewall', 'input')?.level, 'note');

    const asked = await bare([...settings(context, ...quiet, listen), '--engine', 'xdp']);
    assert.equal(asked.code, 1);
    assert.deepEqual([asked.found.engine.runs, asked.found.engine.better[0]?.engine], [null, 'xdp']);
    assert.equal(named(asked.found, 'engine', 'engine')?.level, 'problem');
  });

  test('with another XDP program on the interface xdp does not run', { skip: missing('bpf') }, async (context) => {
    const object = fileURLToPath(new URL('../../bpf/relay.bpf.o', import.meta.url));
    const attach =
      'ip link set lo up && mount -t bpf bpf /sys/fs/bpf && ip link set lo xdpgeneric obj "$0" sec xdp && exec "$@"';
    const args = settings(context, ...quiet, 'turn.listen=tcp://127.0.0.1:3478', 'interfaces=lo');
    const { code, found } = await run('unshare', [
      '--net',
      '--mount',
      'sh',
      '-c',
      attach,
      object,
      ...doctor,
      ...args,
      '--engine',
      'xdp',
    ]);
    assert.equal(code, 1);
    assert.equal(found.engine.runs, null);
    assert.match(found.engine.why, /^lo: another XDP program is attached/);
    assert.match(named(found, 'engine', 'engine')?.fix ?? '', /ip link set dev lo xdp off/);
  });

  test('without CAP_NET_BIND_SERVICE a low port is a problem', { skip: missing('root') }, async (context) => {
    const { code, found } = await bare(settings(context, ...quiet, 'turn.listen=tcp://127.0.0.1:81'));
    assert.equal(code, 1);
    assert.match(named(found, 'ports', 'tcp-81')?.fix ?? '', /CAP_NET_BIND_SERVICE/);
    assert.match(named(found, 'rights', 'low-ports')?.fix ?? '', /ip_unprivileged_port_start=81/);
  });

  test('without libbpf auto runs, and the package is named', { skip: missing('bpf') }, async (context) => {
    const listen = `turn.listen=tcp://127.0.0.1:${await freePort()}`;
    const { code, found } = await hidden(libbpfFile(), settings(context, ...quiet, listen));
    assert.equal(code, 0);
    assert.equal(found.engine.runs, 'batched');
    assert.deepEqual([found.engine.better[0]?.engine, found.engine.better[0]?.reason], ['xdp', 'no-library']);
    assert.equal(named(found, 'kernel', 'libbpf')?.fix, 'apt-get install libbpf1');
  });
});

function libbpfFile(): string {
  const folder = readdirSync('/usr/lib').find((name) => name.endsWith('-linux-gnu')) ?? '';
  return realpathSync(`/usr/lib/${folder}/libbpf.so.1`);
}
