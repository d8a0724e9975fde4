import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { missing } from '../../requirements.ts';
import { type Certificate, makeCertificate } from './certificate.ts';
import { type Child, runChild, startChild, waitFor } from './children.ts';
import { freePort } from './ports.ts';

/** Culvert on loopback, with a user, all transports, and loopback peers allowed. */
export interface Relay {
  readonly folder: string;
  /** UDP and TCP */
  readonly port: number;
  readonly tlsPort: number;
  readonly username: string;
  readonly password: string;
  readonly certificate: Certificate;
  /** "127.0.0.1" and, where the machine has IPv6, "::1": what it listens on and relays from. */
  readonly addresses: readonly string[];
  output(): string;
  stop(): Promise<void>;
}

export interface RelayOptions {
  /** No user is configured, so that the relay generates credentials; `username` and `password` mean nothing then. */
  readonly generatedCredentials?: boolean;
}

export async function startRelay({ generatedCredentials = false }: RelayOptions = {}): Promise<Relay> {
  const folder = mkdtempSync(join(tmpdir(), 'culvert-interop-'));
  let child: Child | undefined;
  const stop = async (): Promise<void> => {
    await child?.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const setup: Setup = {
      folder,
      certificate: makeCertificate(folder),
      port: await freePort(),
      tlsPort: await freePort(),
      adminPort: await freePort(),
      addresses: missing('ipv6') ? ['127.0.0.1'] : ['127.0.0.1', '::1'],
      username: 'interop',
      password: 'correct-horse',
    };
    const started = startCulvert(setup, generatedCredentials);
    child = started;
    await waitFor(() => accepts(setup), 'Culvert at its ports', { child: started });
    return { ...setup, output: started.output, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Runs another command of Culvert beside the relay, as its user would: with its state folder. */
export function runBeside(relay: Relay, args: readonly string[]): ReturnType<typeof runChild> {
  const env = { ...cleanEnvironment(), CULVERT_STATE: join(relay.folder, 'state') };
  return runChild(process.execPath, [LAUNCHER, ...args], 30_000, { cwd: relay.folder, env });
}

interface Setup extends Omit<Relay, 'output' | 'stop'> {
  readonly adminPort: number;
}

function startCulvert(setup: Setup, generatedCredentials: boolean): Child {
  const { folder, certificate, port, tlsPort, adminPort, addresses, username, password } = setup;
  const hosts = addresses.map((address) => (address.includes(':') ? `[${address}]` : address));
  const listen = hosts.flatMap((host) => [
    `udp://${host}:${port}`,
    `tcp://${host}:${port}`,
    `tls://${host}:${tlsPort}`,
  ]);
  const config = {
    state: join(folder, 'state'),
    turn: {
      listen,
      realm: 'interop.test',
      relay: { ipv4: '127.0.0.1', ...(addresses.includes('::1') && { ipv6: '::1' }) },
      ...(!generatedCredentials && { users: { [username]: password } }),
      tls: { cert: certificate.cert, key: certificate.key },
      peers: { allow: ['127.0.0.0/8', '::1/128'] },
    },
    admin: { listen: `http://127.0.0.1:${adminPort}` },
  };
  // JSON is YAML, and needs no quoting rules of its own.
  const file = join(folder, 'culvert.yaml');
  writeFileSync(file, JSON.stringify(config, undefined, 2));
  return startChild(process.execPath, [LAUNCHER, 'up', '--config', file], { cwd: folder, env: cleanEnvironment() });
}

const LAUNCHER = fileURLToPath(new URL('../../../bin/culvert.mjs', import.meta.url));

/** CULVERT_… variables of whoever runs the tests would configure the relay under test. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CULVERT_')));
}

async function accepts({ port, tlsPort }: Setup): Promise<boolean> {
  return (await connects(port)) && (await connects(tlsPort));
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const done = (connected: boolean): void => {
      socket.destroy();
      resolve(connected);
    };
    socket.once('connect', () => done(true)).once('error', () => done(false));
  });
}
