import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PATIENCE_MILLIS } from '../../patience.ts';
import { type Child, runChild, startChild, waitFor } from './children.ts';
import { type EngineName, useOwnBpf } from './engines.ts';
import { type Lan, makeLan, RELAY_IPV4, RELAY_IPV6, type Site } from './netns.ts';

const PORT = 51820;

/** An interface of wireguard-go in a namespace of its own, with the address 10.77.0.n inside the tunnels. */
export interface WgPeer {
  readonly site: Site;
  readonly name: string;
  readonly device: string;
  readonly inner: string;
  readonly publicKey: string;
  /** Whether an echo comes back through the tunnel within a second. */
  reaches(other: WgPeer): Promise<boolean>;
  /** Takes the relay itself as one more peer: three lines of a configuration. */
  addRelay(publicKey: string): Promise<void>;
  /** When the last handshake with that key was, in Unix seconds; 0 = never. */
  lastHandshake(publicKey: string): Promise<number>;
}

export interface WgWorld {
  readonly lan: Lan;
  readonly peers: readonly WgPeer[];
  startRelay(settings?: object): Promise<void>;
  /** SIGTERM, or SIGKILL; with `forget` what it kept is gone too. */
  stopRelay(how: { readonly signal: 'SIGTERM' | 'SIGKILL'; readonly forget: boolean }): Promise<void>;
  /** A line of /metrics, as a number. */
  metric(line: string): Promise<number>;
  /** What the relay and the peers have said of late, for an assertion that fails. */
  evidence(): string;
  /** What the relay printed as its public key. */
  relayKey(): string;
  stop(): Promise<void>;
}

export interface WgOptions {
  readonly peers: number;
  /** The relay knows their keys, and nobody else's. */
  readonly registered: boolean;
  /** Default: what `auto` takes. */
  readonly engine?: EngineName;
}

/** Peers that know each other's public keys, all with the relay as the Endpoint of all. Every second one speaks IPv6 to it. */
export async function makeWgWorld({ peers: count, registered, engine }: WgOptions): Promise<WgWorld> {
  const name = `cw${process.pid}x${worlds++}`;
  if (engine === 'xdp') useOwnBpf();
  const lan = await makeLan(name, engine === 'xdp');
  const folder = mkdtempSync(join(tmpdir(), 'culvert-wireguard-'));
  const interfaces: Child[] = [];
  let relay: Child | undefined;
  const stop = async () => {
    await relay?.stop();
    await Promise.all(interfaces.map((child) => child.stop()));
    await lan.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const peers: WgPeer[] = [];
    for (let number = 0; number < count; number++) {
      peers.push(await startPeer(lan, folder, number, `${name}n${number}`, interfaces));
    }
    for (const [number, peer] of peers.entries()) await introduce(peer, peers, number);
    const world: WgWorld = {
      lan,
      peers,
      async startRelay(settings = {}) {
        const listed = peers.map(({ name, publicKey }) => ({ name, publicKey }));
        const config = {
          ...(engine !== undefined && { engine }),
          ...(engine === 'xdp' && { interfaces: [lan.relay.device] }),
          state: join(folder, 'state'),
          wireguard: { ...(registered && { peers: listed }), ...settings },
          admin: { listen: 'http://127.0.0.1:8666' },
          log: { level: 'debug' },
        };
        const file = join(folder, 'culvert.yaml');
        // JSON is YAML.
        writeFileSync(file, JSON.stringify(config));
        const child = startChild(...lan.relay.inside(process.execPath, LAUNCHER, 'up', '--config', file));
        relay = child;
        await waitFor(() => child.output().includes('metrics'), 'the banner of the relay', { child });
      },
      async stopRelay({ signal, forget }) {
        if (signal === 'SIGKILL') relay?.process.kill('SIGKILL');
        await relay?.stop();
        if (forget) rmSync(join(folder, 'state', 'clients.journal'), { force: true });
      },
      async metric(line) {
        const { output } = await runChild(...lan.relay.inside(process.execPath, '-e', PRINT_METRICS), PATIENCE_MILLIS);
        const found = output.split('\n').find((one) => one.startsWith(`${line} `));
        return Number(found?.slice(line.length + 1) ?? 0);
      },
      evidence: () => [relay, ...interfaces].map((child) => child?.output().slice(-3000)).join('\n---\n'),
      relayKey: () => /PublicKey = (\S+)/.exec(relay?.output() ?? '')?.[1] ?? '',
      stop,
    };
    return world;
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Seconds until it holds, looked at again and again; undefined when it does not within `patience` seconds. */
export async function secondsUntil(
  holds: () => boolean | Promise<boolean>,
  patience: number,
): Promise<number | undefined> {
  const begin = performance.now();
  const elapsed = () => (performance.now() - begin) / 1000;
  while (elapsed() < patience) {
    if (await holds()) return elapsed();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return undefined;
}

async function startPeer(lan: Lan, folder: string, number: number, device: string, children: Child[]): Promise<WgPeer> {
  const name = `peer${number}`;
  const site = await lan.join(name, 10 + number);
  const privateKey = await site.run('wg', 'genkey');
  const keyFile = join(folder, `${name}.key`);
  writeFileSync(keyFile, privateKey, { mode: 0o600 });
  const env = { ...process.env, LOG_LEVEL: 'verbose' };
  const child = startChild(...site.inside('wireguard-go', '-f', device), { env });
  children.push(child);
  // Its own word, for wg must not ask too early: it deletes a socket that is bound and not yet listened to, and wireguard-go ends.
  await waitFor(() => child.output().includes('UAPI listener started'), 'the socket of wireguard-go', { child });
  const inner = `10.77.0.${number + 1}`;
  await site.run('wg', 'set', device, 'private-key', keyFile, 'listen-port', '40000');
  await site.run('ip', 'address', 'add', `${inner}/24`, 'dev', device);
  await site.run('ip', 'link', 'set', device, 'mtu', '1280', 'up');
  const reaches = async (other: WgPeer) => {
    const ping = site.inside('ping', '-c', '1', '-W', '1', other.inner);
    return (await runChild(...ping, PATIENCE_MILLIS)).code === 0;
  };
  const addRelay = async (publicKey: string) => {
    const rest = ['endpoint', endpointOf(number), 'persistent-keepalive', '25'];
    await site.run('wg', 'set', device, 'peer', publicKey, ...rest);
  };
  const lastHandshake = async (publicKey: string) => {
    const lines = (await site.run('wg', 'show', device, 'latest-handshakes')).split('\n');
    return Number(lines.find((line) => line.startsWith(publicKey))?.split('\t')[1] ?? 0);
  };
  const publicKey = await site.run('wg', 'show', device, 'public-key');
  return { site, name, device, inner, publicKey, reaches, addRelay, lastHandshake };
}

async function introduce(peer: WgPeer, all: readonly WgPeer[], number: number): Promise<void> {
  const endpoint = endpointOf(number);
  for (const other of all) {
    if (other === peer) continue;
    const rest = ['endpoint', endpoint, 'persistent-keepalive', '25', 'allowed-ips', `${other.inner}/32`];
    await peer.site.run('wg', 'set', peer.device, 'peer', other.publicKey, ...rest);
  }
}

function endpointOf(number: number): string {
  return number % 2 === 0 ? `${RELAY_IPV4}:${PORT}` : `[${RELAY_IPV6}]:${PORT}`;
}

let worlds = 0;
const PRINT_METRICS =
  'fetch("http://127.0.0.1:8666/metrics").then((r) => r.text()).then((t) => process.stdout.write(t))';
const LAUNCHER = fileURLToPath(new URL('../../../bin/culvert.mjs', import.meta.url));
