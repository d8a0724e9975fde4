// Culvert with --engine xdp and real clients, on two sides of a veth: the data goes through the kernel, and goes on when the process is killed.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Peer } from '../engine/conformance/peer.ts';
import { until } from '../engine/conformance/rig.ts';
import { mountOwnBpf } from '../engine/xdp/namespace.ts';
import { TwoSides } from '../engine/xdp/two-sides.ts';
import { missing } from '../requirements.ts';
import { type Child, runChild, startChild, waitFor } from './rig/children.ts';
import { parseUclient } from './rig/uclient.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/culvert.mjs', import.meta.url));
const MESSAGES = 100;

describe('culvert up --engine xdp', { skip: missing('bpf', 'ffi', 'coturn') }, () => {
  let network: TwoSides;
  let folder: string;
  let relay: Child;
  let echo: Child;

  before(async () => {
    network = new TwoSides();
    mountOwnBpf();
    network.setPeerGro(true);
    folder = mkdtempSync(join(tmpdir(), 'culvert-xdp-'));
    relay = await startRelay();
    echo = network.atPeer(() =>
      startChild('turnutils_peer', ['-L', network.peer(4), '-L', network.peer(6), '-p', '7100']),
    );
  });

  after(async () => {
    await echo?.stop();
    await relay?.stop();
    rmSync(folder, { recursive: true });
    network.other.close();
  });

  async function startRelay(): Promise<Child> {
    const config = {
      engine: 'xdp',
      state: join(folder, 'state'),
      turn: {
        listen: [`udp://${network.engine(4)}:3478`, `udp://[${network.engine(6)}]:3478`],
        relay: { ipv4: network.engine(4), ipv6: network.engine(6) },
        users: { user: 'secret' },
        peers: { allow: ['192.0.2.0/24', '2001:db8::/64'] },
      },
      forward: [{ name: 'game', listen: [`udp://${network.engine(4)}:7000`], to: [`udp://${network.peer(4)}:7001`] }],
      admin: { listen: 'http://127.0.0.1:8080' },
    };
    const file = join(folder, 'culvert.yaml');
    writeFileSync(file, JSON.stringify(config));
    const child = startChild(process.execPath, [LAUNCHER, 'up', '--config', file], { cwd: folder });
    const isReady = async () => (await fetch('http://127.0.0.1:8080/readyz').catch(() => undefined))?.ok === true;
    await waitFor(isReady, 'Culvert at work', { child });
    return child;
  }

  test('it says how it runs', () => {
    assert.match(relay.output(), /engine +xdp +native \(as configured, on relay0 above batched\)/);
  });

  for (const [inside, outside] of [
    [4, 4],
    [4, 6],
    [6, 4],
    [6, 6],
  ] as const) {
    for (const clientToClient of [false, true]) {
      const name = clientToClient ? 'client to client, each relayed' : 'to a peer and back';
      test(`TURN, IPv${inside} client, IPv${outside} relayed address, ${name}`, async () => {
        const before = await counters();
        const args = ['-u', 'user', '-w', 'secret', '-n', String(MESSAGES), '-l', '160', '-c'];
        if (outside === 6) args.push('-x');
        args.push(...(clientToClient ? ['-y'] : ['-e', network.peer(outside), '-r', '7100']), network.engine(inside));
        const { code, output } = await network.atPeer(() => runChild('turnutils_uclient', args, 40_000));
        const { sent, received } = parseUclient(output);
        assert.equal(code, 0, output);
        assert.ok(sent !== undefined && sent >= MESSAGES && received === sent, output);
        const now = await counters();
        // Once from client to client, by the flow that relays both ways at once; there and back with a peer.
        const crossings = clientToClient ? sent : 2 * sent;
        const forwarded = now.kernel - before.kernel;
        assert.ok(forwarded >= crossings - 20, `${forwarded} of ${crossings} went through the kernel`);
        assert.ok(now.passed - before.passed < 60, `${now.passed - before.passed} were passed to the process`);
      });
    }
  }

  test('killed, it goes on forwarding', async () => {
    const client = await Peer.open(4, network);
    const upstream = await Peer.open(4, network, 7001);
    const listener = { family: 4, address: network.engine(4), port: 7000 } as const;
    const exchange = async (text: string): Promise<void> => {
      await client.send(listener, text);
      const { packet, from } = await upstream.next();
      assert.equal(packet.toString(), text);
      await upstream.send({ ...listener, port: from }, text);
      await client.expect(text, listener);
    };
    await exchange('first');
    relay.process.kill('SIGKILL');
    await until(() => relay.ended() !== undefined, 'its end');
    for (let packet = 0; packet < 500; packet++) await exchange(`alone ${packet}`);
    relay = await startRelay();
    await exchange('after the restart');
    client.close();
    upstream.close();
  });

  /** Packets that the kernel forwarded for flows, and those that it passed up. */
  async function counters(): Promise<{ kernel: number; passed: number }> {
    const text = await (await fetch('http://127.0.0.1:8080/metrics')).text();
    const sum = (pattern: RegExp): number =>
      [...text.matchAll(pattern)].reduce((total, match) => total + Number(match[1]), 0);
    return {
      kernel: sum(/^culvert_packets_total\{[^}]*datapath="xdp"\} (\d+)$/gm),
      passed: sum(/^culvert_slow_path_packets_total\{.*\} (\d+)$/gm),
    };
  }
});
