// Done-when 3: streams of all four services go through the kernel while the relay above it is killed, started again, and replaced. Every packet is
// numbered, and every one has to arrive.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { compileLoad } from '../../bench/lib/compile.ts';
import { mountOwnBpf } from '../engine/xdp/namespace.ts';
import { TwoSides } from '../engine/xdp/two-sides.ts';
import { missing } from '../requirements.ts';
import { type Child, runChild, startChild, waitFor } from './rig/children.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/culvert.mjs', import.meta.url));
const PORTS = { turn: 3478, wireguard: 51_820, pair: 6060, forward: 7000 } as const;
/** Packets a second of each service, a little above the 50,000 that are to be shown: pauses of the machine are not made good. */
const RATE = 54_000;
const WITHOUT_A_RELAY = 5000;
const REALM = 'culvert';
const LO_FORWARDS: readonly string[] = ['ipv4', 'ipv6'].map((family) => `/proc/sys/net/${family}/conf/lo/forwarding`);

describe('a relay with --engine xdp comes and goes under load', { skip: missing('bpf', 'ffi', 'cc') }, () => {
  let network: TwoSides;
  let folder: string;
  let program: string;
  const children: Child[] = [];

  before(async () => {
    program = await compileLoad();
    network = new TwoSides();
    mountOwnBpf();
    network.setPeerGro(true);
    folder = mkdtempSync(join(tmpdir(), 'culvert-xdp-restart-'));
    for (const path of LO_FORWARDS) writeFileSync(path, '0');
    const unlimited = { perAddress: 0, perPrefix: 0 };
    const config = {
      engine: 'xdp',
      state: join(folder, 'state'),
      turn: {
        listen: [`udp://${network.engine(4)}:${PORTS.turn}`],
        relay: { ipv4: network.engine(4) },
        realm: REALM,
        users: { user: 'secret' },
        peers: { allow: ['192.0.2.0/24'] },
      },
      wireguard: {
        listen: [`udp://${network.engine(4)}:${PORTS.wireguard}`],
        initiations: unlimited,
        unasked: unlimited,
      },
      pair: { listen: [`udp://${network.engine(4)}:${PORTS.pair}`], secret: Buffer.alloc(16, 7).toString('base64') },
      forward: [
        {
          name: 'game',
          listen: [`udp://${network.engine(4)}:${PORTS.forward}`],
          to: [`udp://${network.peer(4)}:20003`],
        },
      ],
      admin: { listen: 'http://127.0.0.1:8080' },
      limits: { unauthenticated: unlimited },
    };
    writeFileSync(join(folder, 'culvert.yaml'), JSON.stringify(config));
  });

  after(async () => {
    for (const child of children) await child.stop();
    rmSync(folder, { recursive: true, force: true });
    network?.other.close();
  });

  const culvert = (...args: string[]) => [LAUNCHER, ...args, '--config', join(folder, 'culvert.yaml')];

  function startRelay(...args: string[]): Child {
    const child = startChild(process.execPath, culvert('up', ...args), { cwd: folder });
    children.push(child);
    return child;
  }

  async function isReady(child: Child): Promise<void> {
    await waitFor(() => child.output().includes('metrics'), 'Culvert is ready', { child });
  }

  /** What a stream comes to; it ends. */
  async function resultOf(
    load: Child,
  ): Promise<Record<'seconds' | 'sent' | 'missing' | 'twice' | 'silence' | 'refresh', number>> {
    load.process.stdin?.end();
    await waitFor(() => load.ended() !== undefined, 'a stream to end');
    assert.equal(load.ended()?.code, 0, load.output());
    return JSON.parse(load.output().trim().split('\n').at(-1) ?? '');
  }

  /** Both ends of one service's stream, on the other side of the veth. */
  async function startLoad(protocol: keyof typeof PORTS, index: number, rate: number): Promise<Child> {
    const key = protocol === 'pair' ? Buffer.alloc(16, 7).toString('hex') : longTermKey();
    const args = ['endure', '--protocol', protocol, '--relay', `${network.engine(4)}:${PORTS[protocol]}`];
    args.push('--client', `${network.peer(4)}:${10_000 + index}`, '--peer', `${network.peer(4)}:${20_000 + index}`);
    args.push('--user', 'user', '--realm', REALM, '--key', key, '--rate', String(rate), '--size', '160');
    const child = network.atPeer(() => startChild(program, args, { stdin: 'pipe' }));
    children.push(child);
    await waitFor(() => child.output().includes('steady'), `the stream of ${protocol} is steady`, { child });
    return child;
  }

  async function metrics(): Promise<string> {
    return (await fetch('http://127.0.0.1:8080/metrics')).text();
  }

  test('no packet is lost by a kill, a start and a takeover, and clients go on', async (context) => {
    const first = startRelay();
    await isReady(first);
    const loads: Child[] = [];
    const protocols = ['turn', 'wireguard', 'pair', 'forward'] as const;
    for (const [index, protocol] of protocols.entries()) loads.push(await startLoad(protocol, index, RATE));
    // Past the second within which changes are written.
    await sleep(2500);
    first.process.kill('SIGKILL');
    await waitFor(() => first.ended() !== undefined, 'its end');
    await sleep(WITHOUT_A_RELAY);
    const second = startRelay();
    await isReady(second);
    await sleep(1500);
    const third = startRelay('--takeover');
    await isReady(third);
    await waitFor(() => second.ended() !== undefined, 'the end of the relay that handed over');
    assert.equal(second.ended()?.code, 0, second.output());
    await sleep(1500);
    const found = await metrics();
    const results = await Promise.all(loads.map(resultOf));
    for (const [index, result] of results.entries()) {
      const { seconds, sent, missing: lost, twice, silence, refresh } = result;
      const rate = Math.round(sent / seconds);
      context.diagnostic(
        `${protocols[index]}: ${sent} packets, ${rate} a second, ${lost} lost, ${Math.round(silence * 1000)} ms of silence at most`,
      );
      assert.deepEqual(
        [lost, twice, refresh],
        [0, 0, 0],
        `${protocols[index]}: ${JSON.stringify(result)}\n${third.output()}\n${drops()}`,
      );
      // A machine that is busy sends less, and shows less; this is what shows something.
      assert.ok(rate > RATE / 20, `${rate} packets a second`);
    }
    for (const [service, clients] of [
      ['turn', 1],
      ['wireguard', 2],
      ['pair', 2],
      ['forward', 1],
    ] as const) {
      assert.match(found, new RegExp(`^culvert_clients\\{service="${service}"\\} ${clients}$`, 'm'));
    }
    for (const code of ['401', '437', '438'])
      assert.doesNotMatch(await metrics(), new RegExp(`code="${code}"\\} [1-9]`));
    const { code, output } = await runChild(process.execPath, culvert('down'), 20_000);
    assert.equal(code, 0, output);
    assert.match(output, /the kernel goes on forwarding for the clients it has/);
    await waitFor(() => third.ended() !== undefined, 'its end');
  });

  test('what is left behind goes by culvert down --purge', async () => {
    assert.ok(existsSync('/sys/fs/bpf/culvert'));
    assert.match(programs(), /xdp/);
    assert.ok(readdirSync(join(folder, 'state')).some((name) => name.startsWith('kernel-')));
    assert.deepEqual(settings(), ['1', '1']);
    const { code, output } = await runChild(process.execPath, culvert('down', '--purge'), 20_000);
    assert.equal(code, 0, output);
    assert.ok(!existsSync('/sys/fs/bpf/culvert'), output);
    assert.doesNotMatch(programs(), /xdp/);
    assert.deepEqual(settings(), ['0', '0']);
    const state = readdirSync(join(folder, 'state'));
    assert.deepEqual(
      state.filter((name) => /journal|kernel/.test(name)),
      [],
    );
  });

  test('a relay with another engine goes on with the clients, and with nothing of the kernel', async (context) => {
    const first = startRelay();
    await isReady(first);
    const load = await startLoad('forward', 3, 2000);
    await sleep(2500);
    first.process.kill('SIGKILL');
    await waitFor(() => first.ended() !== undefined, 'its end');
    await isReady(startRelay('--engine', 'batched'));
    assert.ok(!existsSync('/sys/fs/bpf/culvert'));
    assert.doesNotMatch(programs(), /xdp/);
    assert.deepEqual(settings(), ['0', '0']);
    await sleep(1000);
    const { sent, missing: lost } = await resultOf(load);
    context.diagnostic(`${lost} of ${sent} packets were lost`);
    assert.ok(lost < sent / 20, `${lost} of ${sent} packets were lost`);
  });
});

function programs(): string {
  return execFileSync('ip', ['link', 'show', 'relay0'], { encoding: 'utf8' });
}

/** What the wires say of losses that are theirs. */
function drops(): string {
  const statistics = execFileSync('ethtool', ['-S', 'relay0'], { encoding: 'utf8' });
  return statistics
    .split('\n')
    .filter((line) => /drop|error/.test(line) && !/: 0$/.test(line))
    .join('\n');
}

function settings(): string[] {
  return LO_FORWARDS.map((path) => readFileSync(path, 'utf8').trim());
}

/** MD5 of user:realm:password (RFC 8489 §9.2.2). */
function longTermKey(): string {
  return createHash('md5').update(`user:${REALM}:secret`).digest('hex');
}
