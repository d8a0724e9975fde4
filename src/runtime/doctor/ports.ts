import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type BindFailure, bindFailureOf, describeBindFailure } from '../bind-failures.ts';
import { about, type Finding } from './finding.ts';
import type { Holder } from './holders.ts';
import type { PlannedSocket } from './sockets.ts';

/** What came of opening one. */
export interface Trial {
  readonly socket: PlannedSocket;
  /** Undefined: it is free, and ours to open. */
  readonly failure: Pick<BindFailure, 'failure' | 'detail'> | undefined;
  /** Of a port in use, where /proc tells. */
  readonly holder: Holder | undefined;
}

/** `running`: process of the relay that runs with this state folder. */
export function portFindings(trials: readonly Trial[], running: number | undefined): Finding[] {
  const good = trials.filter(({ failure }) => failure === undefined);
  const free = good.length === 0 ? [] : [ports('free', 'ok', `free: ${placesOf(good)}`)];
  return [...free, ...ours(trials, running), ...trials.flatMap((trial) => taken(trial, running))];
}

/** Opens it and closes it again: nothing else knows all that may forbid it. */
export async function tryToBind({ kind, local }: PlannedSocket): Promise<Trial['failure']> {
  const { address, port, family } = local;
  try {
    if (kind === 'udp') {
      const socket = createSocket({ type: family === 4 ? 'udp4' : 'udp6', ipv6Only: family === 6 });
      socket.bind({ address, port, exclusive: true });
      await once(socket, 'listening').finally(() => socket.close());
    } else {
      const server = createServer((stream) => stream.destroy());
      server.listen({ host: address, port, exclusive: true, ipv6Only: family === 6 });
      await once(server, 'listening');
      await new Promise((resolve) => server.close(resolve));
    }
    return undefined;
  } catch (error) {
    return bindFailureOf(error);
  }
}

function ours(trials: readonly Trial[], running: number | undefined): Finding[] {
  if (running === undefined) return [];
  const held = trials.filter((trial) => isOurs(trial, running));
  const seen = held.some(({ holder }) => holder !== undefined);
  const has = seen ? 'and has' : 'and has, as far as this user can see,';
  const what = `a relay runs with this state folder (process ${running})${held.length > 0 ? `, ${has} ${placesOf(held)}` : ''}`;
  return [ports('running', 'note', what, 'culvert status shows it; culvert up --takeover takes its place')];
}

function taken(trial: Trial, running: number | undefined): Finding[] {
  const { socket, failure, holder } = trial;
  const { key, transport, kind, local } = socket;
  if (failure === undefined || isOurs(trial, running)) return [];
  if (socket.optional && failure.failure === 'no-address') return [];
  const { what, fix } = describeBindFailure({ key, transport: kind === 'udp' ? 'udp' : transport, local, ...failure });
  const name = `${kind}-${local.port}`;
  if (holder === undefined) return [ports(name, 'problem', what, fix)];
  const by = `${what.replace(' by another program', '')} by ${holder.name} (process ${holder.pid})`;
  if (holder.pid === 1) return [ports(name, 'note', by, 'nothing, if that is systemd and a socket unit hands it over')];
  return [ports(name, 'problem', by, `end that program, or change ${key}`)];
}

/** A relay with capabilities hides its descriptors from the same user without them: nobody else is in sight then. */
function isOurs({ failure, holder }: Trial, running: number | undefined): boolean {
  return failure?.failure === 'in-use' && running !== undefined && (holder?.pid ?? running) === running;
}

/** "udp 3478, tcp 3478": each port once. */
function placesOf(trials: readonly Trial[]): string {
  const places = [...new Set(trials.map(({ socket: { kind, local } }) => `${kind} ${local.port}`))];
  const shown = places.slice(0, MOST_SHOWN).join(', ');
  return places.length > MOST_SHOWN ? `${shown} and ${places.length - MOST_SHOWN} more` : shown;
}

const ports = about('ports');
const MOST_SHOWN = 8;
