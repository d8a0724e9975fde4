import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { missing } from '../../requirements.ts';
import { type Certificate, makeCertificate } from './certificate.ts';
import { type Child, startChild, waitFor } from './children.ts';
import { freePort } from './ports.ts';

/** A TURN server on loopback, with a user, all transports, and loopback peers allowed. */
export interface Relay {
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

/** Culvert, or for trying the rig itself coturn's server. */
export async function startRelay(kind: 'culvert' | 'coturn' = relayKind()): Promise<Relay> {
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
    const started = kind === 'coturn' ? startCoturn(setup) : startCulvert(setup);
    child = started;
    await waitFor(() => accepts(started, setup), 15_000, `${kind} to listen`);
    return { ...setup, output: started.output, stop };
  } catch (error) {
    const output = child?.output() ?? '';
    await stop();
    throw new Error(`${kind} did not start: ${output}`, { cause: error });
  }
}

interface Setup extends Omit<Relay, 'output' | 'stop'> {
  readonly folder: string;
  readonly adminPort: number;
}

function relayKind(): 'culvert' | 'coturn' {
  return process.env.CULVERT_INTEROP_RELAY === 'coturn' ? 'coturn' : 'culvert';
}

function startCulvert({ folder, certificate, port, tlsPort, adminPort, addresses, username, password }: Setup): Child {
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
      users: { [username]: password },
      tls: { cert: certificate.cert, key: certificate.key },
      peers: { allow: ['127.0.0.0/8', '::1/128'] },
    },
    admin: { listen: `http://127.0.0.1:${adminPort}` },
  };
  // JSON is YAML, and needs no quoting rules of its own.
  const file = join(folder, 'culvert.yaml');
  writeFileSync(file, JSON.stringify(config, undefined, 2));
  const launcher = fileURLToPath(new URL('../../../bin/culvert.mjs', import.meta.url));
  return startChild(process.execPath, [launcher, 'up', '--config', file], { cwd: folder, env: cleanEnvironment() });
}

function startCoturn({ folder, certificate, port, tlsPort, addresses, username, password }: Setup): Child {
  const listen = addresses.flatMap((address) => ['--listening-ip', address, '--relay-ip', address]);
  return startChild(
    'turnserver',
    ['-n', '--no-cli', '--no-dtls', '--allow-loopback-peers', '--lt-cred-mech', '--log-file', 'stdout', ...listen]
      .concat(['-p', String(port), '--tls-listening-port', String(tlsPort)])
      .concat(['-u', `${username}:${password}`, '-r', 'interop.test'])
      .concat(['--cert', certificate.cert, '--pkey', certificate.key])
      .concat(['--userdb', join(folder, 'turndb'), '--pidfile', join(folder, 'pid')]),
    { cwd: folder },
  );
}

/** CULVERT_… variables of whoever runs the tests would configure the relay under test. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CULVERT_')));
}

async function accepts(child: Child, { port, tlsPort }: Setup): Promise<boolean> {
  if (child.ended() !== undefined) throw new Error('it ended by itself');
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
