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
import { afterwards } from '../afterwards.ts';
import { culvertUp, waitFor } from '../cli/culvert.ts';
import { temporaryFolder } from '../control/config/rig.ts';
import { freePort } from '../ports.ts';
import { missing } from '../requirements.ts';
import { type EngineName, networkFor, onEachEngine, removePins } from './rig/engines.ts';

const run = promisify(execFile);
const MIB = 1024 * 1024;

onEachEngine('port forwards', {}, (engine) => {
  const network = networkFor(engine);

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
    });
    // Without an address it is bound before this returns.
    network.atPeer(() => server.listen(0));
    afterwards(t, () => server.close());
    await once(server, 'listening');
    const port = await forward(t, engine, (server.address() as AddressInfo).port);
    const file = join(folder, 'body');
    const url = `http://${network.engine(4)}:${port}/`;
    await network.atPeer(() => run('curl', ['-sS', '-o', file, url]));
    assert.equal(digest(readFileSync(file)), digest(body));
    const sending = ['-sS', '-H', 'Expect:', '--data-binary', `@${file}`, url];
    const { stdout } = await network.atPeer(() => run('curl', sending));
    assert.equal(stdout, digest(body));
  });

  test('socat: a half-close reaches the other side, whose answer still comes', {
    skip: missing('socat'),
  }, async (t) => {
    const upstream = await freePort();
    // Answers only when it has read to the end.
    const listening = `TCP-LISTEN:${upstream},bind=${network.peer(4)},reuseaddr,fork`;
    const server = network.atPeer(() =>
      spawn('socat', [listening, 'SYSTEM:sha256sum'], { stdio: 'ignore', detached: true }),
    );
    afterwards(t, () => process.kill(-(server.pid ?? assert.fail()), 'SIGKILL'));
    const port = await forward(t, engine, upstream);
    const data = randomBytes(3 * MIB);
    const file = join(temporaryFolder(t), 'data');
    writeFileSync(file, data);
    let said = '';
    await waitFor(async () => {
      const command = `socat -t 10 - TCP:${network.engine(4)}:${port} < ${file}`;
      const { stdout } = await network.atPeer(() => run('sh', ['-c', command])).catch(() => ({ stdout: '' }));
      said = stdout;
      return said !== '';
    });
    assert.equal(said.split(' ')[0], digest(data));
  });

  test('iperf3 over TCP and UDP, both ways', { skip: missing('iperf3') }, async (t) => {
    const upstream = await freePort();
    const serving = ['-s', '-B', network.peer(4), '-p', String(upstream)];
    const server = network.atPeer(() => spawn('iperf3', serving, { stdio: 'ignore' }));
    afterwards(t, () => server.kill('SIGKILL'));
    // Its data go to the port of its control connection, over TCP and over UDP.
    const port = await freePort();
    const yaml = `forward:
  - { name: control, listen: "tcp://${network.engine(4)}:${port}", to: "tcp://${network.peer(4)}:${upstream}" }
  - { name: data, listen: "udp://${network.engine(4)}:${port}", to: "udp://${network.peer(4)}:${upstream}" }
`;
    await up(t, engine, yaml);
    for (const flags of [[], ['-R'], ['-u', '-b', '20M'], ['-u', '-b', '20M', '-R']]) {
      let report: { end: Record<string, { bytes?: number } | undefined>; error?: string } | undefined;
      await waitFor(async () => {
        const args = ['-J', '-c', network.engine(4), '-p', String(port), '-t', '1', ...flags];
        const { stdout } = await network.atPeer(() => run('iperf3', args)).catch((error: { stdout: string }) => error);
        report = JSON.parse(stdout);
        return report?.error === undefined;
      });
      const moved = report?.end.sum_received?.bytes ?? report?.end.sum?.bytes ?? 0;
      assert.ok(moved > MIB, `${flags.join(' ')}: ${moved} bytes`);
    }
  });
});

async function forward(t: TestContext, engine: EngineName, upstream: number): Promise<number> {
  const [port, network] = [await freePort(), networkFor(engine)];
  const [listen, to] = [`tcp://${network.engine(4)}:${port}`, `tcp://${network.peer(4)}:${upstream}`];
  await up(t, engine, `forward:\n  - { name: test, listen: "${listen}", to: "${to}" }\n`);
  return port;
}

async function up(t: TestContext, engine: EngineName, yaml: string): Promise<void> {
  const folder = temporaryFolder(t);
  const file = join(folder, 'culvert.yaml');
  writeFileSync(file, `${yaml}engine: ${engine}\nadmin: { listen: "off" }\n`);
  afterwards(t, () => removePins(engine));
  await culvertUp(t, ['--config', file], { CULVERT_STATE: join(folder, 'state') });
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
