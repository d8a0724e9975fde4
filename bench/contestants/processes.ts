import { type Arena, relayCommand } from '../lib/arena.ts';
import { type Child, start } from '../lib/child.ts';
import { awaitReady, type Identity, loadMeet } from '../lib/load.ts';
import { hasCommand } from '../lib/machine.ts';
import { ContestantMissingError, type Protocol, type Relay, whenReady } from '../lib/relay.ts';

export type Transport = 'tcp' | 'udp';

let port = 4000;

/** Ports of the contestants do not meet, so that all can run at a time: idle ones cost the one that is measured nothing. */
export function nextPort(): number {
  return port++;
}

export function mustHave(command: string, packages: string): void {
  if (!hasCommand(command))
    throw new ContestantMissingError(`${command} is not installed (apt-get install ${packages})`);
}

/** A program that serves at `front` of the relay's address; ready when a client gets through it. */
export async function startProgram(
  arena: Arena,
  name: string,
  command: readonly string[],
  at: number,
  transport: Transport,
): Promise<Relay> {
  return await serving(arena, name, start(relayCommand(arena, command)), at, transport === 'tcp' ? 'tcp' : 'forward');
}

/** The same for a child that was started otherwise. */
export async function serving(
  arena: Arena,
  name: string,
  child: Child,
  at: number,
  protocol: Protocol | 'tcp',
  identity: Identity = {},
): Promise<Relay> {
  const relay: Relay = {
    protocol: protocol === 'tcp' ? 'forward' : protocol,
    front: `${arena.topology.relayFront}:${at}`,
    pid: child.pid,
    stop: () => child.stop(),
  };
  const ready =
    protocol === 'tcp'
      ? awaitReady(arena, { ...relay, pid: 0 }, 10)
      : loadMeet(arena, { ...relay, pid: 0 }, 1, 10, identity);
  await whenReady(name, child, ready);
  return relay;
}
