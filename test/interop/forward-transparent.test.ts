// Forwards whose upstreams see the addresses of clients: on a host set up as docs/forward.md says, with programs that know nothing of Culvert.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../control/config/rig.ts';
import { PATIENCE_MILLIS } from '../patience.ts';
import { missing } from '../requirements.ts';
import { type Child, runChild, startChild, waitFor } from './rig/children.ts';
import { missingFor, useOwnBpf } from './rig/engines.ts';
import { makeRouted, type Routed } from './rig/routed.ts';

const ENGINES = ['batched', 'xdp'] as const;
const FAMILIES = [
  { relay: '10.97.1.1', clients: ['10.97.1.10', '10.97.1.11'] },
  { relay: '[fd97:1::1]', clients: ['fd97:1::10', 'fd97:1::11'] },
] as const;

for (const engine of ENGINES) {
  describe(`transparent forwards, ${engine}`, { skip: missingFor(engine, 'netns', 'nft', 'curl', 'socat') }, () => {
    const children: Child[] = [];
    const folder = mkdtempSync(join(tmpdir(), 'culvert-transparent-'));
    let net: Routed;

    before(async () => {
      if (engine === 'xdp') useOwnBpf();
      net = await makeRouted(`ct${process.pid}-${engine}`);
      await setUp(net, engine, folder, children);
    });

    after(async () => {
      await Promise.allSettled(children.map((child) => child.stop()));
      await net?.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    test('curl: the upstream sees each client at his own address and port, and every byte', async () => {
      const body = join(folder, 'body');
      const data = randomBytes(4 * 1024 * 1024);
      writeFileSync(body, data);
      for (const { relay, clients } of FAMILIES) {
        const answers = clients.map(async (client) => {
          const got = join(folder, `got-${client}`);
          const flags = ['-sS', '--interface', client, '-H', 'Expect:', '--data-binary', `@${body}`, '-o', got];
          const seen = '%{local_ip} %{local_port}=%header{x-client}';
          return [client, await net.clients.run('curl', ...flags, '-w', seen, `http://${relay}:8000/`), got] as const;
        });
        for (const [client, seen, got] of await Promise.all(answers)) {
          const [own, told] = seen.split('=');
          assert.equal(told, own);
          assert.equal(own?.split(' ')[0], client);
          assert.equal(digest(readFileSync(got)), digest(data));
        }
      }
    });

    test('socat: the same for datagrams, and a source port that the relay has itself becomes another', async () => {
      const asks = FAMILIES.flatMap(({ relay, clients }) => clients.map((client) => ({ relay, client })));
      const answers = await Promise.all(asks.map(({ relay, client }) => askBySocat(net, relay, client, 4000)));
      assert.deepEqual(
        answers,
        asks.map(({ client }) => `${client} 4000 hello`),
      );
      // Where the relay listens at all addresses.
      const taken = await askBySocat(net, FAMILIES[0].relay, FAMILIES[0].clients[0], 8000);
      const [address, port] = taken.split(' ');
      assert.equal(address, FAMILIES[0].clients[0]);
      assert.notEqual(port, '8000');
    });

    test('who goes leaves no socket', async () => {
      const left = async (protocol: string) => {
        const sockets = await net.relay.run('ss', '-Hantu', 'exclude', 'time-wait');
        const isOfClient = (line: string) =>
          line.startsWith(protocol) && /10\.97\.1\.1[01]:|fd97:1::1[01]\]/.test(line);
        return sockets.split('\n').filter(isOfClient).length;
      };
      const silent = FAMILIES.map(({ relay }) =>
        startChild(...net.clients.inside('socat', '-u', `TCP:${relay}:8000`, 'STDOUT')),
      );
      children.push(...silent);
      // Of each TCP client one to him, and one in his name.
      await waitFor(async () => (await left('tcp')) >= 4, 'connections');
      const { relay, clients } = FAMILIES[0];
      await waitFor(async () => {
        await askBySocat(net, relay, clients[0], 4001);
        return (await left('udp')) > 0;
      }, 'a session');
      for (const child of silent) child.process.kill('SIGKILL');
      await waitFor(async () => (await left('')) === 0, 'the last socket of a client to go');
    });
  });
}

describe('transparent forwards without the right to', { skip: missing('root', 'ffi') }, () => {
  test('the start says of which forward, which right, and how it is given', async (t) => {
    const folder = temporaryFolder(t);
    const file = join(folder, 'culvert.yaml');
    writeFileSync(file, configuration('auto'));
    const without = ['--bounding-set', '-net_admin,-net_raw', '--inh-caps', '-net_admin,-net_raw'];
    const env = { ...process.env, CULVERT_STATE: join(folder, 'state') };
    const up = [...without, process.execPath, LAUNCHER, 'up', '--config', file];
    const { code, output } = await runChild('setpriv', up, PATIENCE_MILLIS, { env });
    assert.equal(code, 1, output);
    assert.match(output, /forward tcp, udp: transparent needs CAP_NET_ADMIN or CAP_NET_RAW.*EPERM/);
    assert.match(output, /AmbientCapabilities=CAP_NET_RAW.*--cap-add NET_RAW/);
  });
});

/** The host's part as it is documented, an upstream that says whom it sees, and a relay. */
async function setUp(net: Routed, engine: string, folder: string, children: Child[]): Promise<void> {
  for (const command of HOST) await net.relay.run(...(command.split(' ') as [string]));
  await net.relay.run('nft', NFT);
  const upstream = startChild(...net.upstream.inside(process.execPath, '-e', UPSTREAM));
  children.push(upstream);
  await waitFor(() => upstream.output().includes('up'), 'the upstream', { child: upstream });
  const file = join(folder, 'culvert.yaml');
  writeFileSync(file, configuration(engine));
  const env = { ...process.env, CULVERT_STATE: join(folder, 'state') };
  const relay = startChild(...net.relay.inside(process.execPath, LAUNCHER, 'up', '--config', file), { env });
  children.push(relay);
  await waitFor(() => relay.output().includes('engine'), 'the banner', { child: relay });
}

function configuration(engine: string): string {
  const both = (scheme: string) => ({
    listen: [`${scheme}://0.0.0.0:8000`, `${scheme}://[::]:8000`],
    to: [`${scheme}://10.97.2.10:8000`, `${scheme}://[fd97:2::10]:8000`],
    transparent: true,
  });
  return JSON.stringify({
    engine,
    forward: [
      // Checks come from the relay itself, and find both upstreams up.
      { name: 'tcp', ...both('tcp'), health: { interval: '1s' } },
      { name: 'udp', ...both('udp'), idle: '2s' },
    ],
    admin: { listen: 'off' },
  });
}

/** Again until it is answered: datagrams may be lost while neighbours are looked for. */
async function askBySocat(net: Routed, relay: string, client: string, port: number): Promise<string> {
  const address = client.includes(':') ? `[${client}]` : client;
  let said = '';
  await waitFor(async () => {
    said = await net.clients.run('sh', '-c', `echo hello | socat -t 0.5 - UDP:${relay}:8000,bind=${address}:${port}`);
    return said !== '';
  }, 'an answer');
  // What came late for one that had given up comes to the next.
  return said.split('\n')[0] ?? '';
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

const LAUNCHER = fileURLToPath(new URL('../../bin/culvert.mjs', import.meta.url));

/** As in docs/forward.md. */
const HOST = [
  'ip -4 rule add fwmark 0x2a lookup 100',
  'ip -4 route add local default dev lo table 100',
  'ip -6 rule add fwmark 0x2a lookup 100',
  'ip -6 route add local default dev lo table 100',
];
const NFT = `table inet culvert {
  chain divert {
    type filter hook prerouting priority mangle;
    meta l4proto { tcp, udp } socket transparent 1 meta mark set 0x2a accept
  }
}`;

/** Gives back what it is sent, and says from whom it came. */
const UPSTREAM = `
  let left = 4;
  const up = () => --left === 0 && console.log('up');
  for (const host of ['10.97.2.10', 'fd97:2::10']) {
    require('http').createServer((request, response) => {
      const { remoteAddress, remotePort } = request.socket;
      response.setHeader('x-client', remoteAddress + ' ' + remotePort);
      request.pipe(response);
    }).listen(8000, host, up);
    const socket = require('dgram').createSocket(host.includes(':') ? 'udp6' : 'udp4').bind(8000, host, up);
    socket.on('message', (heard, from) => socket.send(from.address + ' ' + from.port + ' ' + heard, from.port, from.address));
  }`;
