import { run } from '../lib/child.ts';
import { PEER_PORT } from '../lib/load.ts';
import { hasCommand } from '../lib/machine.ts';
import { type Contestant, ContestantMissingError, said } from '../lib/relay.ts';
import { fileIn } from './forwards.ts';
import { mustHave, nextPort, type Transport } from './processes.ts';

/**
 * DNAT to the peer, and masquerade so that answers come back through the relay. No process: its CPU time is softirq, on whichever core the kernel
 * does it, and with veth that is the sender's. Its rules are there while it is measured only: they have the kernel track everybody's packets.
 */
export function nftables(transport: Transport): Contestant {
  return {
    name: 'nftables',
    version: () => `${said('nft', '--version').split(' ')[1] ?? '?'}, dnat and masquerade`,
    start: async (arena) => {
      mustHave('nft', 'nftables');
      const { kind, relaySide, relayFront, peer } = arena.topology;
      if (kind !== 'namespaces' || !hasCommand('sysctl')) {
        throw new ContestantMissingError(
          'nftables needs a network namespace of its own, and sysctl (apt-get install procps)',
        );
      }
      const port = nextPort();
      const table = `bench${port}`;
      const rules = fileIn(arena, 'rules.nft', [
        `table ip ${table} {`,
        '  chain in { type nat hook prerouting priority -100;',
        `    ip daddr ${relayFront} ${transport} dport ${port} dnat to ${peer}:${PEER_PORT}`,
        '  }',
        `  chain out { type nat hook postrouting priority 100; ip daddr ${peer} ${transport} dport ${PEER_PORT} masquerade to :${SOURCE_PORTS}; }`,
        '}',
      ]);
      const end = async () => {
        await run(relaySide(['nft', '-f', rules]));
      };
      const begin = async () => {
        await run(relaySide(['nft', 'delete', 'table', 'ip', table]));
      };
      await run(relaySide(['sysctl', '-qw', 'net.ipv4.ip_forward=1']));
      await end();
      await begin();
      return {
        protocol: 'forward',
        front: `${relayFront}:${port}`,
        pid: 0,
        stop: async () => undefined,
        rest: { end, begin },
      };
    },
  };
}

/**
 * Below those that the kernel gives to programs: a connection of ours on a port that one of theirs had just now would meet its TIME_WAIT at the
 * peer, with a clock (TCP timestamps) that is not the same one.
 */
const SOURCE_PORTS = '10000-32000';
