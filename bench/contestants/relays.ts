import { join } from 'node:path';
import { relayCommand } from '../lib/arena.ts';
import { start } from '../lib/child.ts';
import { culvertVersion, startCulvert } from '../lib/culvert.ts';
import { root } from '../lib/paths.ts';
import type { Contestant } from '../lib/relay.ts';
import { nextPort, serving } from './processes.ts';

/** Of the handshakes of pairs, 16 bytes. */
export const PAIR_KEY = Buffer.from('only-for-benches').toString('hex');

/** A section `pair` without caps: the load is one machine. */
export function culvertPair(name: string, engine: string): Contestant {
  return {
    name,
    version: () => culvertVersion(engine),
    start: (arena) => {
      const port = nextPort();
      const child = startCulvert(arena, engine, {
        pair: {
          listen: [`udp://${arena.topology.relayFront}:${port}`],
          secret: Buffer.from(PAIR_KEY, 'hex').toString('base64'),
          idle: '10m',
          quota: { perSource: 0, total: 0 },
        },
      });
      return serving(arena, name, child, port, 'pair', { key: PAIR_KEY });
    },
  };
}

/**
 * A section `wireguard` without budgets. `registered`: so many public keys are listed, those of the load first; 0 = whoever comes.
 */
export function culvertWireguard(name: string, engine: string, registered: number): Contestant {
  const unlimited = { perAddress: 0, perPrefix: 0 };
  return {
    name,
    version: () => `${culvertVersion(engine)}, ${registered === 0 ? 'open' : `${registered} registered keys`}`,
    start: (arena) => {
      const port = nextPort();
      const child = startCulvert(arena, engine, {
        wireguard: {
          listen: [`udp://${arena.topology.relayFront}:${port}`],
          peers: Array.from({ length: registered }, (_, i) => ({ name: `peer ${i}`, publicKey: publicKey(i) })),
          maxClients: 100_000,
          hashesPerSecond: 1_000_000,
          initiations: unlimited,
          unasked: unlimited,
        },
      });
      return serving(arena, name, child, port, 'wireguard');
    },
  };
}

/** Everything to everybody; see flooding-relay.ts. */
export function floodingRelay(): Contestant {
  return {
    name: 'flooding',
    version: () => `to all others, node:dgram, Node ${process.version}`,
    start: (arena) => {
      const port = nextPort();
      const program = join(root, 'bench/contestants/flooding-relay.ts');
      const command = [process.execPath, ...arena.nodeFlags, program, arena.topology.relayFront, String(port)];
      return serving(arena, 'flooding', start(relayCommand(arena, command)), port, 'wireguard');
    },
  };
}

/** What bench/load/wireguard.c takes for the public key of client `serial`. */
function publicKey(serial: number): string {
  const key = Buffer.alloc(32, 0x42);
  key.writeUInt32LE(serial);
  return key.toString('base64');
}
