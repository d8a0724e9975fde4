import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Summary } from '../../src/runtime/banner.ts';
import { afterwards } from '../afterwards.ts';
import { temporaryFolder } from '../control/config/rig.ts';
import { freePort } from '../ports.ts';
import { culvert, culvertUp, waitFor } from './culvert.ts';

const LOOPBACK = [
  '--set',
  'turn.listen=udp://127.0.0.1:0,tcp://127.0.0.1:0',
  '--set',
  'wireguard.listen=udp://127.0.0.1:0',
  '--set',
  'pair.listen=udp://127.0.0.1:0',
  '--set',
  'admin.listen=http://127.0.0.1:0',
];

async function upOnLoopback(context: Parameters<typeof culvertUp>[0], args: readonly string[] = []) {
  const state = join(temporaryFolder(context), 'state');
  const running = await culvertUp(context, ['--json', ...LOOPBACK, ...args], { CULVERT_STATE: state });
  const summary = JSON.parse(running.stdout()) as Summary;
  const admin = `http://127.0.0.1:${summary.admin?.port}`;
  return { running, summary, admin, state };
}

describe('culvert up', () => {
  test('serves what it says, and ends with 0 at SIGTERM', async (context) => {
    const { running, summary, admin } = await upOnLoopback(context);
    assert.deepEqual(
      summary.listeners.map(({ service, transport }) => [service, transport]),
      [
        ['turn', 'udp'],
        ['turn', 'tcp'],
        ['wireguard', 'udp'],
        ['pair', 'udp'],
      ],
    );
    assert.equal((await fetch(`${admin}/healthz`)).status, 200);
    assert.equal((await fetch(`${admin}/readyz`)).status, 200);
    const metrics = await (await fetch(`${admin}/metrics`)).text();
    assert.match(metrics, /^culvert_build_info\{version="\d+\.\d+\.\d+"\} 1$/m);
    assert.match(metrics, /^culvert_engine_info\{engine="\w+",mode="[^"]+"\} 1$/m);
    assert.match(metrics, /^culvert_turn_allocations 0$/m);
    assert.match(metrics, /^culvert_clients\{service="turn"\} 0$/m);
    assert.match(metrics, /^culvert_clients\{service="wireguard"\} 0$/m);
    assert.match(metrics, /^lanrage_relay_packets_total 0$/m);
    assert.match(metrics, /^culvert_clients\{service="pair"\} 0$/m);
    assert.match(metrics, /^culvert_pair_channels\{state="open"\} 0$/m);
    running.child.kill('SIGTERM');
    assert.equal(await running.ended(), 0);
    assert.match(running.stderr(), /stopping.*SIGTERM/);
  });

  test('without koffi, auto says why it is portable, and batched by name ends with 1', async (context) => {
    const hook = `import { registerHooks } from 'node:module';
      registerHooks({ resolve: (name, at, next) => {
        if (name === 'koffi') throw new Error('nobody installed it');
        return next(name, at);
      } });`;
    const without = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hook)}` };
    const state = join(temporaryFolder(context), 'state');
    const running = await culvertUp(context, ['--json', ...LOOPBACK], { CULVERT_STATE: state, ...without });
    const { engine } = JSON.parse(running.stdout()) as Summary;
    assert.equal(engine.name, 'portable');
    assert.match(engine.why, /^auto: xdp does not run here, .*; nor does batched, .*nobody installed it/);
    const ended = await culvert(['up', '--engine', 'batched', ...LOOPBACK], { CULVERT_STATE: state, ...without });
    assert.equal(ended.code, 1);
    assert.match(ended.stderr, /culvert: the batched engine does not run here: .*nobody installed it/);
  });

  test('relays with the credentials that it generated, as probe finds them', async (context) => {
    const { summary, state, admin } = await upOnLoopback(context);
    const server = summary.generated?.iceServer;
    assert.ok(server);
    for (const url of server.urls) {
      const args = ['probe', url, '--user', server.username, '--password', server.credential];
      const done = await culvert(args);
      assert.equal(done.code, 0, done.stdout + done.stderr);
    }
    const [udp = ''] = server.urls;
    assert.equal((await culvert(['probe', udp], { CULVERT_STATE: state })).code, 0);
    assert.equal((await culvert(['probe', udp, '--user', server.username, '--password', 'wrong'])).code, 1);
    const made = await culvert(['credentials', '--json'], { CULVERT_STATE: state });
    const [limited] = JSON.parse(made.stdout).iceServers;
    assert.equal((await culvert(['probe', udp, '--user', limited.username, '--password', limited.credential])).code, 0);
    const metrics = await (await fetch(`${admin}/metrics`)).text();
    assert.match(metrics, /^culvert_turn_responses_total\{method="allocate",class="success",code="0"\} [1-9]/m);
    assert.match(metrics, /^culvert_drops_total\{service="turn",reason="wrong-integrity"\} [1-9]/m);
  });

  test('relays WireGuard, as probe finds it, and counts it', async (context) => {
    const { summary, admin } = await upOnLoopback(context);
    const port = summary.listeners.find(({ service }) => service === 'wireguard')?.local.port;
    const done = await culvert(['probe', `wireguard:127.0.0.1:${port}`]);
    assert.equal(done.code, 0, done.stdout + done.stderr);
    const metrics = await (await fetch(`${admin}/metrics`)).text();
    assert.match(metrics, /^culvert_clients\{service="wireguard"\} 2$/m);
    assert.match(metrics, /^culvert_packets_total\{service="wireguard",direction="to_peer",datapath="\w+"\} [1-9]/m);
    assert.match(metrics, /^lanrage_relay_clients_total 2$/m);
  });

  test('keeps what it generated, for its user alone', async (context) => {
    const { running, summary, state } = await upOnLoopback(context);
    assert.equal(statSync(state).mode & 0o777, 0o700);
    assert.equal(statSync(join(state, 'secrets.json')).mode & 0o777, 0o600);
    running.child.kill('SIGINT');
    assert.equal(await running.ended(), 0);
    const again = await culvertUp(context, ['--json', ...LOOPBACK], { CULVERT_STATE: state });
    const { generated } = JSON.parse(again.stdout()) as Summary;
    assert.equal(generated?.iceServer.credential, summary.generated?.iceServer.credential);
    assert.doesNotMatch(again.stderr(), new RegExp(generated?.iceServer.credential ?? 'none'));
  });

  test('prints a table for people, and the snippet only when the credentials are its own', async (context) => {
    const environment = { CULVERT_STATE: join(temporaryFolder(context), 'state') };
    const own = await culvertUp(context, LOOPBACK, environment);
    await waitFor(() => own.stdout().includes('probe'));
    assert.match(own.stdout(), /turn +udp +127\.0\.0\.1:\d+\n +turn +tcp +127\.0\.0\.1:\d+\n/);
    const snippet = /iceServers: (\[.*\])/.exec(own.stdout())?.[1] ?? '';
    assert.equal(JSON.parse(snippet)[0].username, 'culvert');
    await waitFor(() => /UDP_RELAY_SECRET_KEY=\S{44}\n/.test(own.stdout()));
    const other = { CULVERT_STATE: join(temporaryFolder(context), 'state') };
    const keyed = { ...other, UDP_RELAY_SECRET_KEY: Buffer.alloc(32, 'hidden').toString('base64') };
    const given = await culvertUp(context, [...LOOPBACK, '--set', 'turn.users={"alice":"hidden"}'], keyed);
    await waitFor(() => given.stdout().includes('metrics'));
    assert.doesNotMatch(given.stdout(), /iceServers|hidden|UDP_RELAY_SECRET_KEY/);
  });

  test('SIGHUP does not end it', async (context) => {
    const { running, admin } = await upOnLoopback(context);
    running.child.kill('SIGHUP');
    await waitFor(() => running.stderr().includes('SIGHUP'));
    assert.equal((await fetch(`${admin}/healthz`)).status, 200);
  });

  test('names every listener that is taken, exit code 1', async (context) => {
    const taken = createSocket('udp4').bind(0, '127.0.0.1');
    await once(taken, 'listening');
    afterwards(context, () => void taken.close());
    const { port } = taken.address();
    const listeners = [`turn.listen=udp://127.0.0.1:${port},tcp://192.0.2.77:1`, 'pair.listen=udp://192.0.2.77:2'];
    const args = ['up', ...listeners.flatMap((set) => ['--set', set]), '--set', 'admin.listen=off'];
    const done = await culvert(args, { CULVERT_STATE: join(temporaryFolder(context), 'state') });
    assert.equal(done.code, 1);
    assert.equal(done.stdout, '');
    assert.match(
      done.stderr,
      new RegExp(`^culvert: turn\\.listen: udp://127\\.0\\.0\\.1:${port}: port ${port} is in use`, 'm'),
    );
    assert.match(
      done.stderr,
      /^culvert: turn\.listen: tcp:\/\/192\.0\.2\.77:1: this machine does not have the address/m,
    );
    assert.match(
      done.stderr,
      /^culvert: pair\.listen: udp:\/\/192\.0\.2\.77:2: this machine does not have the address/m,
    );
  });

  test('says so when the admin port is taken', async (context) => {
    const { admin } = await upOnLoopback(context);
    const port = new URL(admin).port;
    const args = ['up', ...LOOPBACK, '--set', `admin.listen=http://127.0.0.1:${port}`];
    const done = await culvert(args, { CULVERT_STATE: join(temporaryFolder(context), 'state') });
    assert.equal(done.code, 1);
    assert.match(
      done.stderr,
      new RegExp(`^culvert: admin\\.listen: http://127\\.0\\.0\\.1:${port}: port ${port} is in use`, 'm'),
    );
  });

  test('a damaged state file stops it: new secrets would turn every client away', async (context) => {
    const state = temporaryFolder(context);
    writeFileSync(join(state, 'secrets.json'), '{"version":1,"turn":');
    const done = await culvert(['up', ...LOOPBACK], { CULVERT_STATE: state });
    assert.equal(done.code, 1);
    assert.match(done.stderr, /secrets\.json: is damaged \(restore it, or remove it/);
    assert.equal(readFileSync(join(state, 'secrets.json'), 'utf8'), '{"version":1,"turn":');
  });

  test('survives a reader that stops reading, and requests that are none', async (context) => {
    const { running, admin } = await upOnLoopback(context);
    running.child.stdout?.destroy();
    const socket = connect(Number(new URL(admin).port), '127.0.0.1');
    socket.on('error', () => {});
    socket.end('\x16\x03\x01 nonsense\r\n\r\n');
    await once(socket, 'close');
    assert.equal((await fetch(`${admin}/healthz`)).status, 200);
  });

  test('logs JSON where it is told to', async (context) => {
    const { running } = await upOnLoopback(context, ['--set', 'log.format=json']);
    running.child.kill('SIGTERM');
    await running.ended();
    const lines = running
      .stderr()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(lines.map(({ level, msg }) => [level, msg]).slice(-2), [
      ['info', 'stopping'],
      ['info', 'stopped'],
    ]);
  });

  test('runs no service when the file has no section of one', async (context) => {
    const folder = temporaryFolder(context);
    writeFileSync(join(folder, 'config.yaml'), `admin: { listen: "http://127.0.0.1:${await freePort()}" }\n`);
    const running = await culvertUp(context, ['--json', '--config', join(folder, 'config.yaml')], {
      CULVERT_STATE: join(folder, 'state'),
    });
    assert.deepEqual((JSON.parse(running.stdout()) as Summary).listeners, []);
    assert.match(running.stderr(), /no service is on/);
  });
});
