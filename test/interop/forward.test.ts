// Port forwards driven by programs that know nothing of Culvert.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { culvertUp, freePort, waitFor } from '../cli/culvert.ts';
import { temporaryFolder } from '../control/config/rig.ts';
import { missing } from '../requirements.ts';

const run = promisify(execFile);
const MIB = 1024 * 1024;

test('curl fetches 100 MB and sends 100 MB, unchanged', { skip: missing('curl') }, async (t) => {
  const folder = temporaryFolder(t);
  const body = randomBytes(100 * MIB);
  const server = createServer((request, response) => {
    if (request.method === 'GET') {
      response.end(body);
      return;
    }
    const hash = createHash('sha256');
    request.on('data', (chunk: Buffer) => hash.update(chunk)).on('end', () => response.end(hash.digest('hex')));
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const port = await forward(t, 'tcp', (server.address() as AddressInfo).port);
  const file = join(folder, 'body');
  await run('curl', ['-sS', '-o', file, `http://127.0.0.1:${port}/`]);
  assert.equal(digest(readFileSync(file)), digest(body));
  const { stdout } = await run('curl', [
    '-sS',
    '-H',
    'Expect:',
    '--data-binary',
    `@${file}`,
    `http://127.0.0.1:${port}/`,
  ]);
  assert.equal(stdout, digest(body));
});

test('socat: a half-close reaches the other side, whose answer still comes', { skip: missing('socat') }, async (t) => {
  const upstream = await freePort();
  // Answers only when it has read to the end.
  const server = spawn('socat', [`TCP-LISTEN:${upstream},bind=127.0.0.1,reuseaddr,fork`, 'SYSTEM:sha256sum'], {
    stdio: 'ignore',
    detached: true,
  });
  t.after(() => process.kill(-(server.pid ?? assert.fail()), 'SIGKILL'));
  const port = await forward(t, 'tcp', upstream);
  const data = randomBytes(3 * MIB);
  const file = join(temporaryFolder(t), 'data');
  writeFileSync(file, data);
  let said = '';
  await waitFor(async () => {
    const { stdout } = await run('sh', ['-c', `socat -t 10 - TCP:127.0.0.1:${port} < ${file}`]).catch(() => ({
      stdout: '',
    }));
    said = stdout;
    return said !== '';
  });
  assert.equal(said.split(' ')[0], digest(data));
});

test('iperf3 over TCP and UDP, both ways', { skip: missing('iperf3') }, async (t) => {
  const upstream = await freePort();
  const server = spawn('iperf3', ['-s', '-B', '127.0.0.1', '-p', String(upstream)], { stdio: 'ignore' });
  t.after(() => server.kill('SIGKILL'));
  // Its data go to the port of its control connection, over TCP and over UDP.
  const port = await freePort();
  const yaml = `forward:
  - { name: control, listen: "tcp://127.0.0.1:${port}", to: "tcp://127.0.0.1:${upstream}" }
  - { name: data, listen: "udp://127.0.0.1:${port}", to: "udp://127.0.0.1:${upstream}" }
`;
  await up(t, yaml);
  for (const flags of [[], ['-R'], ['-u', '-b', '20M'], ['-u', '-b', '20M', '-R']]) {
    let report: { end: Record<string, { bytes?: number } | undefined>; error?: string } | undefined;
    await waitFor(async () => {
      const args = ['-J', '-c', '127.0.0.1', '-p', String(port), '-t', '1', ...flags];
      const { stdout } = await run('iperf3', args).catch((error: { stdout: string }) => error);
      report = JSON.parse(stdout);
      return report?.error === undefined;
    });
    const moved = report?.end.sum_received?.bytes ?? report?.end.sum?.bytes ?? 0;
    assert.ok(moved > MIB, `${flags.join(' ')}: ${moved} bytes`);
  }
});

async function forward(t: TestContext, scheme: string, upstream: number): Promise<number> {
  const port = await freePort();
  await up(
    t,
    `forward:\n  - { name: test, listen: "${scheme}://127.0.0.1:${port}", to: "${scheme}://127.0.0.1:${upstream}" }\n`,
  );
  return port;
}

async function up(t: TestContext, yaml: string): Promise<void> {
  const folder = temporaryFolder(t);
  const file = join(folder, 'culvert.yaml');
  writeFileSync(file, `${yaml}admin: { listen: "off" }\n`);
  await culvertUp(t, ['--config', file], { CULVERT_STATE: join(folder, 'state') });
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
