import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Child, start } from '../lib/child.ts';
import { hasCommand } from '../lib/machine.ts';
import { root } from '../lib/paths.ts';
import {
  type Arena,
  BARE_CLIENT_PORT,
  type Contestant,
  ContestantMissingError,
  type ContestantName,
  MAX_FLOWS,
  PASSWORD,
  PEER_PORT,
  PORTS,
  REALM,
  relayCommand,
  USER,
} from './contestant.ts';
import { awaitReady } from './load.ts';

const READY_TIMEOUT_MS = 10_000;

export const starters: Readonly<Record<ContestantName, (arena: Arena) => Promise<Contestant>>> = {
  culvert: startCulvert,
  coturn: startCoturn,
  bare: startBare,
};

/** What runs under each name, for the head of the results. */
export function versionOf(name: ContestantName): string {
  switch (name) {
    case 'culvert': {
      const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
      return `${version} (${commit()}), portable engine`;
    }
    case 'coturn':
      return `${said('turnserver', '--version').split('\n').at(-1) ?? '?'}, one relay thread`;
    case 'bare':
      return `node:dgram, Node ${process.version}`;
  }
}

/** As a user would run it: the command, a configuration file. */
async function startCulvert(arena: Arena): Promise<Contestant> {
  const { front, relayed } = PORTS.culvert;
  const { relayFront, relayBack, peer } = arena.topology;
  const folder = mkdtempSync(join(arena.scratch, 'culvert-'));
  const file = join(folder, 'culvert.yaml');
  // The load is one machine with thousands of clients: the budget for unauthenticated replies must not be what is measured.
  const configuration = {
    engine: 'portable',
    state: join(folder, 'state'),
    public: { ipv4: relayFront },
    turn: {
      listen: [`udp://${relayFront}:${front}`],
      realm: REALM,
      relay: { ipv4: relayBack, ports: `${relayed[0]}-${relayed[1]}` },
      users: { [USER]: PASSWORD },
      peers: { allow: [`${peer}/32`] },
    },
    admin: { listen: 'http://127.0.0.1:28666' },
    limits: { unauthenticated: { perAddress: 1_000_000, perPrefix: 1_000_000 } },
    log: { level: 'warn', format: 'json' },
  };
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(configuration, undefined, 2), { mode: 0o600 });
  const command = [process.execPath, ...arena.nodeFlags, join(root, 'bin/culvert.mjs'), 'up', '--config', file];
  const child = start(relayCommand(arena, command));
  return await ready(arena, {
    name: 'culvert',
    child,
    protocol: 'turn',
    front: `${relayFront}:${front}`,
    back: undefined,
  });
}

/** One relay thread, long-term credentials, nothing else on. */
async function startCoturn(arena: Arena): Promise<Contestant> {
  if (!hasCommand('turnserver'))
    throw new ContestantMissingError('turnserver is not installed (apt-get install coturn)');
  const { front, relayed } = PORTS.coturn;
  const { relayFront, relayBack, kind } = arena.topology;
  const folder = mkdtempSync(join(arena.scratch, 'coturn-'));
  const command = [
    ...['turnserver', '-n', '--relay-threads', '1', '--lt-cred-mech'],
    ...['--listening-ip', relayFront, '--listening-port', String(front), '--relay-ip', relayBack],
    ...['--min-port', String(relayed[0]), '--max-port', String(relayed[1])],
    ...['--user', `${USER}:${PASSWORD}`, '--realm', REALM],
    ...['--no-tls', '--no-dtls', '--no-tcp', '--no-cli', '--no-software-attribute'],
    ...(kind === 'loopback' ? ['--allow-loopback-peers'] : []),
    ...['--log-file', 'stdout', '--simple-log'],
    ...['--pidfile', join(folder, 'pid'), '--userdb', join(folder, 'db')],
  ];
  const child = start(relayCommand(arena, command));
  return await ready(arena, {
    name: 'coturn',
    child,
    protocol: 'turn',
    front: `${relayFront}:${front}`,
    back: undefined,
  });
}

async function startBare(arena: Arena): Promise<Contestant> {
  const { front, relayed } = PORTS.bare;
  const { relayFront, relayBack, peer } = arena.topology;
  const program = join(root, 'bench/contestants/bare-forwarder.ts');
  const endpoints = [
    relayFront,
    front,
    relayBack,
    relayed[0],
    arena.topology.client(0),
    BARE_CLIENT_PORT,
    peer,
    PEER_PORT,
  ];
  const command = [process.execPath, ...arena.nodeFlags, program, ...endpoints.map(String), String(MAX_FLOWS)];
  const child = start(relayCommand(arena, command));
  await waitFor('bare', child, () => child.stdout().includes('ready'));
  return {
    name: 'bare',
    child,
    protocol: 'none',
    front: `${relayFront}:${front}`,
    back: `${relayBack}:${relayed[0]}`,
  };
}

async function ready(arena: Arena, contestant: Contestant): Promise<Contestant> {
  const { name, child } = contestant;
  let answered = false;
  let fault: unknown;
  void awaitReady(arena, contestant, READY_TIMEOUT_MS / 1000).then(
    () => {
      answered = true;
    },
    (error: unknown) => {
      fault = error;
    },
  );
  await waitFor(name, child, () => answered || fault !== undefined);
  if (fault !== undefined) throw new ContestantMissingError(`${name} does not serve: ${String(fault)}${tail(child)}`);
  return contestant;
}

async function waitFor(name: string, child: Child, happened: () => boolean): Promise<void> {
  for (const limit = performance.now() + 1.5 * READY_TIMEOUT_MS; performance.now() < limit; await sleep(20)) {
    if (child.hasEnded()) throw new ContestantMissingError(`${name} ended at once${tail(child)}`);
    if (happened()) return;
  }
  await child.stop();
  throw new ContestantMissingError(`${name} was not ready in time${tail(child)}`);
}

/** The line that most likely says why: our own and coturn's errors name themselves, a stack trace does not end with its message. */
function tail(child: Child): string {
  const lines = (child.stderr().trim() || child.stdout().trim()).split('\n');
  const line = lines.find((candidate) => /error|culvert:/i.test(candidate)) ?? lines.at(-1) ?? '';
  return line === '' ? '' : `: ${line.trim()}`;
}

function commit(): string {
  return said('git', '-C', root, 'describe', '--always', '--dirty', '--exclude', '*') || 'no commit';
}

function said(command: string, ...args: string[]): string {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return '';
  }
}
