import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Family } from '../../../src/net/address.ts';
import { LOOPBACK, type Network } from '../../engine/conformance/rig.ts';
import { freePort } from '../../ports.ts';
import { missing } from '../../requirements.ts';
import { type Certificate, makeCertificate } from './certificate.ts';
import { type Child, runChild, startChild, waitFor } from './children.ts';
import { type EngineName, networkFor } from './engines.ts';

/** Culvert with a user, all transports, and its surroundings allowed as peers. */
export interface Relay {
  /** Where it and its clients are; default: loopback. */
  readonly network: Network;
  readonly folder: string;
  /** UDP and TCP */
  readonly port: number;
  readonly tlsPort: number;
  readonly username: string;
  readonly password: string;
  readonly certificate: Certificate;
  /** IPv4 and, where the machine has it, IPv6: for each an address that it listens on and relays from. */
  readonly families: readonly Family[];
  output(): string;
  stop(): Promise<void>;
}

export interface RelayOptions {
  /** Default: what `auto` takes. */
  readonly engine?: EngineName;
  /** No user is configured, so that the relay generates credentials; `username` and `password` mean nothing then. */
  readonly generatedCredentials?: boolean;
}

export async function startRelay({ engine, generatedCredentials = false }: RelayOptions = {}): Promise<Relay> {
  const network = engine === undefined ? LOOPBACK : networkFor(engine);
  const folder = mkdtempSync(join(tmpdir(), 'culvert-interop-'));
  let child: Child | undefined;
  const stop = async (): Promise<void> => {
    await child?.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const setup: Setup = {
      folder,
      network,
      engine,
      certificate: makeCertificate(folder),
      port: await freePort(),
      tlsPort: await freePort(),
      adminPort: await freePort(),
      families: missing('ipv6') ? [4] : [4, 6],
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
  readonly engine: EngineName | undefined;
}

function startCulvert(setup: Setup, generatedCredentials: boolean): Child {
  const { folder, network, engine, certificate, port, tlsPort, adminPort, families, username, password } = setup;
  const hosts = families.map((family) => (family === 6 ? `[${network.engine(6)}]` : network.engine(4)));
  const listen = hosts.flatMap((host) => [
    `udp://${host}:${port}`,
    `tcp://${host}:${port}`,
    `tls://${host}:${tlsPort}`,
  ]);
  const config = {
    ...(engine !== undefined && { engine }),
    state: join(folder, 'state'),
    turn: {
      listen,
      realm: 'interop.test',
      relay: { ipv4: network.engine(4), ...(families.includes(6) && { ipv6: network.engine(6) }) },
      ...(!generatedCredentials && { users: { [username]: password } }),
      tls: { cert: certificate.cert, key: certificate.key },
      peers: { allow: families.map((family) => network.peer(family)) },
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

async function accepts({ network, port, tlsPort }: Setup): Promise<boolean> {
  const host = network.engine(4);
  return (await connects(host, port)) && (await connects(host, tlsPort));
}

function connects(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    const done = (connected: boolean): void => {
      socket.destroy();
      resolve(connected);
    };
    socket.once('connect', () => done(true)).once('error', () => done(false));
  });
}
