import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Child, runChild, startChild, waitFor } from './children.ts';
import { HUB_IPV4, HUB_IPV6, type Lan, makeLan, type Site } from './netns.ts';

const PORT = 51820;

/** An interface of wireguard-go in a namespace of its own, with the address 10.77.0.n inside the tunnels. */
export interface WgPeer {
  readonly site: Site;
  readonly name: string;
  readonly device: string;
  readonly inner: string;
  readonly publicKey: string;
  /** Whether an echo comes back through the tunnel within a second. */
  reaches(other: WgPeer): boolean;
  /** The same, beside what others do. */
  tries(other: WgPeer): Promise<boolean>;
  /** Takes the relay itself as one more peer: three lines of a configuration. */
  addRelay(publicKey: string): void;
  /** When the last handshake with that key was, in Unix seconds; 0 = never. */
  lastHandshake(publicKey: string): number;
}

export interface WgWorld {
  readonly lan: Lan;
  readonly peers: readonly WgPeer[];
  startRelay(settings?: object): Promise<void>;
  /** SIGTERM, or SIGKILL; with `forget` what it kept is gone too. */
  stopRelay(how: { readonly signal: 'SIGTERM' | 'SIGKILL'; readonly forget: boolean }): Promise<void>;
  /** A line of /metrics, as a number. */
  metric(line: string): number;
  output(): string;
  /** What the relay printed as its public key. */
  relayKey(): string;
  stop(): Promise<void>;
}

/** Peers that know each other's public keys, all with the relay as the Endpoint of all. Every second one speaks IPv6 to it. */
export async function makeWgWorld(count: number, registered: boolean): Promise<WgWorld> {
  const lan = makeLan(`cw${process.pid}`);
  const folder = mkdtempSync(join(tmpdir(), 'culvert-wireguard-'));
  const interfaces: Child[] = [];
  let relay: Child | undefined;
  const stop = async () => {
    await relay?.stop();
    for (const child of interfaces) await child.stop();
    lan.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const peers: WgPeer[] = [];
    for (let number = 0; number < count; number++) peers.push(await startPeer(lan, folder, number, interfaces));
    for (const [number, peer] of peers.entries()) introduce(peer, peers, number);
    const world: WgWorld = {
      lan,
      peers,
      async startRelay(settings = {}) {
        const listed = peers.map(({ name, publicKey }) => ({ name, publicKey }));
        const wireguard = { ...(registered && { peers: listed }), ...settings };
        const file = join(folder, 'culvert.yaml');
        const admin = { listen: 'http://127.0.0.1:8666' };
        // JSON is YAML.
        writeFileSync(
          file,
          JSON.stringify({ state: join(folder, 'state'), wireguard, admin, log: { level: 'debug' } }),
        );
        const args = ['netns', 'exec', lan.hub, process.execPath, LAUNCHER, 'up', '--config', file];
        const child = startChild('ip', args);
        relay = child;
        await waitFor(() => child.output().includes('metrics'), 'the banner of the relay', { child });
      },
      async stopRelay({ signal, forget }) {
        if (signal === 'SIGKILL') relay?.process.kill('SIGKILL');
        await relay?.stop();
        if (forget) rmSync(join(folder, 'state', 'clients.journal'), { force: true });
      },
      metric(line) {
        const text = execFileSync('ip', [
          ...['netns', 'exec', lan.hub, process.execPath, '-e'],
          'fetch("http://127.0.0.1:8666/metrics").then((r) => r.text()).then((t) => process.stdout.write(t))',
        ]).toString();
        const found = text.split('\n').find((one) => one.startsWith(`${line} `));
        return Number(found?.slice(line.length + 1) ?? 0);
      },
      output: () => relay?.output() ?? '',
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
export async function secondsUntil(holds: () => boolean, patience: number): Promise<number | undefined> {
  const begin = performance.now();
  const elapsed = () => (performance.now() - begin) / 1000;
  while (elapsed() < patience) {
    if (holds()) return elapsed();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return undefined;
}

async function startPeer(lan: Lan, folder: string, number: number, children: Child[]): Promise<WgPeer> {
  const name = `peer${number}`;
  const device = `cw${process.pid}${number}`.slice(-15);
  const site = lan.join(name, 10 + number);
  const privateKey = run('wg', ['genkey']);
  const keyFile = join(folder, `${name}.key`);
  writeFileSync(keyFile, privateKey, { mode: 0o600 });
  const env = { ...process.env, LOG_LEVEL: 'verbose' };
  const child = startChild('ip', ['netns', 'exec', site.namespace, 'wireguard-go', '-f', device], { env });
  children.push(child);
  // Its own word, for wg must not ask too early: it deletes a socket that is bound and not yet listened to, and wireguard-go ends.
  await waitFor(() => child.output().includes('UAPI listener started'), 'the socket of wireguard-go', { child });
  const inner = `10.77.0.${number + 1}`;
  site.run('wg', 'set', device, 'private-key', keyFile, 'listen-port', '40000');
  site.run('ip', 'address', 'add', `${inner}/24`, 'dev', device);
  site.run('ip', 'link', 'set', device, 'mtu', '1280', 'up');
  const reaches = (other: WgPeer) => succeeds(site, ['ping', '-c', '1', '-W', '1', other.inner]);
  const tries = async (other: WgPeer) => {
    const args = ['netns', 'exec', site.namespace, 'ping', '-c', '1', '-W', '1', other.inner];
    return (await runChild('ip', args, 5000)).code === 0;
  };
  const addRelay = (publicKey: string) => {
    site.run('wg', 'set', device, 'peer', publicKey, 'endpoint', endpointOf(number), 'persistent-keepalive', '25');
  };
  const lastHandshake = (publicKey: string) => {
    const lines = site.run('wg', 'show', device, 'latest-handshakes').split('\n');
    return Number(lines.find((line) => line.startsWith(publicKey))?.split('\t')[1] ?? 0);
  };
  const publicKey = run('wg', ['pubkey'], privateKey);
  return { site, name, device, inner, publicKey, reaches, tries, addRelay, lastHandshake };
}

function introduce(peer: WgPeer, all: readonly WgPeer[], number: number): void {
  const endpoint = endpointOf(number);
  for (const other of all) {
    if (other === peer) continue;
    const rest = ['endpoint', endpoint, 'persistent-keepalive', '25', 'allowed-ips', `${other.inner}/32`];
    peer.site.run('wg', 'set', peer.device, 'peer', other.publicKey, ...rest);
  }
}

function endpointOf(number: number): string {
  return number % 2 === 0 ? `${HUB_IPV4}:${PORT}` : `[${HUB_IPV6}]:${PORT}`;
}

function succeeds(site: Site, command: readonly string[]): boolean {
  try {
    site.run(...command);
    return true;
  } catch {
    return false;
  }
}

function run(command: string, args: readonly string[], input?: string): string {
  return execFileSync(command, args, { encoding: 'utf8', ...(input !== undefined && { input }) }).trim();
}

const LAUNCHER = fileURLToPath(new URL('../../../bin/culvert.mjs', import.meta.url));
