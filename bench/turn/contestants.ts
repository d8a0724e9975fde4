import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { bareForwarder } from '../contestants/forwards.ts';
import { mustHave } from '../contestants/processes.ts';
import { type Arena, relayCommand } from '../lib/arena.ts';
import { type Child, start } from '../lib/child.ts';
import { culvertVersion, startCulvert } from '../lib/culvert.ts';
import { awaitReady } from '../lib/load.ts';
import { said, whenReady } from '../lib/relay.ts';
import {
  type Contestant,
  type ContestantName,
  IDENTITY,
  PASSWORD,
  PORTS,
  REALM,
  type TurnArena,
  USER,
} from './contestant.ts';

export const starters: Readonly<Record<ContestantName, (arena: TurnArena) => Promise<Contestant>>> = {
  culvert: startTurn,
  coturn: startCoturn,
  bare: async (arena) => ({ name: 'bare', ...(await bareForwarder().start(arena)) }),
};

/** What runs under each name, for the head of the results. */
export function versionOf(name: ContestantName, engine: string): string {
  switch (name) {
    case 'culvert':
      return culvertVersion(engine);
    case 'coturn':
      return `${said('turnserver', '--version').split('\n').at(-1) ?? '?'}, one relay thread`;
    case 'bare':
      return bareForwarder().version();
  }
}

async function startTurn(arena: TurnArena): Promise<Contestant> {
  const { front, relayed } = PORTS.culvert;
  const { relayFront, relayBack, peer } = arena.topology;
  const child = startCulvert(arena, arena.engine, {
    turn: {
      listen: [`udp://${relayFront}:${front}`],
      realm: REALM,
      relay: { ipv4: relayBack, ports: `${relayed[0]}-${relayed[1]}` },
      users: { [USER]: PASSWORD },
      peers: { allow: [`${peer}/32`] },
    },
    // As a user has it: the memory of an idle relay counts.
    admin: { listen: 'http://127.0.0.1:28666' },
  });
  return await ready(arena, 'culvert', child, `${relayFront}:${front}`);
}

/** One relay thread, long-term credentials, nothing else on. */
async function startCoturn(arena: Arena): Promise<Contestant> {
  mustHave('turnserver', 'coturn');
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
  return await ready(arena, 'coturn', start(relayCommand(arena, command)), `${relayFront}:${front}`);
}

async function ready(arena: Arena, name: ContestantName, child: Child, front: string): Promise<Contestant> {
  const contestant: Contestant = { name, protocol: 'turn', front, pid: child.pid, stop: () => child.stop() };
  await whenReady(name, child, awaitReady(arena, contestant, 10, IDENTITY));
  return contestant;
}
