import { bareForwarder, culvertForward, nginx, socat } from '../contestants/forwards.ts';
import { nftables } from '../contestants/nftables.ts';
import { culvertPair, culvertWireguard, PAIR_KEY } from '../contestants/relays.ts';
import { run } from '../lib/child.ts';
import { FIXED_CLIENT_PORT, type Identity, PEER_PORT } from '../lib/load.ts';
import type { Contestant, Relay } from '../lib/relay.ts';
import { IDENTITY } from '../turn/contestant.ts';
import { starters, versionOf } from '../turn/contestants.ts';
import { closeFlows, type FrameCell, framesPrograms, type PlacedRelay, startLimit } from './frames.ts';
import { makePlace, type Place } from './place.ts';

export type ServiceName = 'turn' | 'wireguard' | 'pair' | 'forward';
export const SERVICES: readonly ServiceName[] = ['turn', 'wireguard', 'pair', 'forward'];

/** Culvert with a service, on an engine. */
export function culvert(service: ServiceName, engine: string): Contestant {
  const name = `culvert-${engine}`;
  const best = engine === 'xdp' ? 'flood' : 'window';
  switch (service) {
    case 'turn':
      return placed({ ...turnServer('culvert', engine), name }, { best, identity: IDENTITY });
    case 'wireguard':
      return placed(culvertWireguard(name, engine, 0), { best });
    case 'pair':
      return placed(culvertPair(name, engine), { best, identity: { key: PAIR_KEY } });
    case 'forward':
      return placed(culvertForward(name, engine, 'udp'), { best });
  }
}

/** The reference of every service: TURN is what it does. */
export function coturn(): Contestant {
  return placed(turnServer('coturn', ''), { best: 'window', identity: IDENTITY });
}

export function forwarders(): Contestant[] {
  return [
    placed(socat('socat', 'udp'), { best: 'window' }),
    placed(nginx('udp'), { best: 'window' }),
    placed(nftables('udp'), { best: 'flood' }),
  ];
}

/** node:dgram without anything. */
export function bare(): Contestant {
  return placed(bareForwarder(), { best: 'window' });
}

/** No relay, but a router: what the kernel does when it has nothing to change but the hop limit. */
export function kernelForwarding(): Contestant {
  return {
    name: 'kernel',
    version: () => 'plain IP forwarding, no relay',
    start: async (arena) => {
      const place = makePlace(arena);
      const { topology } = place.arena;
      await run(topology.relaySide(['sysctl', '-qw', 'net.ipv4.ip_forward=1']));
      return inKernel(place, (flow, direction) => {
        const ends = [`${topology.client(0)}:${FIXED_CLIENT_PORT + flow}`, `${topology.peer}:${PEER_PORT}`];
        const [from, to] = direction === 'up' ? ends : ends.reverse();
        return `${from} ${to} - ${from} ${to} -`;
      });
    },
  };
}

/** What every relay in XDP has to do at least. Client → peer only. */
export function bareRewrite(): Contestant {
  return {
    name: 'rewrite',
    version: () => 'an XDP program that writes constant headers and redirects',
    start: async (arena) => {
      const place = makePlace(arena);
      const { topology } = place.arena;
      const [client, front] = [topology.client(0), `${topology.relayFront}:9`];
      const [back, peer] = [`${topology.relayBack}:9`, `${topology.peer}:${PEER_PORT}`];
      const child = await startLimit(place, `${client}:0`, front, back, peer);
      const relay = inKernel(place, (flow) => `${client}:${FIXED_CLIENT_PORT + flow} ${front} - ${back} ${peer} -`);
      return { ...relay, stop: () => child.stop() };
    },
  };
}

/** No relay, and no second network either: what the load can send, and its sink count. */
export function loadAlone(): Contestant {
  return {
    name: 'load',
    version: () => 'the generator and its sink at the two ends of one veth',
    start: async (arena) => {
      const place = makePlace(arena);
      const { topology } = place.arena;
      const line = (flow: number) => `${topology.client(0)}:${FIXED_CLIENT_PORT + flow} ${topology.relayFront}:9 -`;
      return { ...inKernel(place, (flow) => `${line(flow)} ${line(flow)}`), sinkAtRelay: true };
    },
  };
}

function turnServer(name: 'culvert' | 'coturn', engine: string): Contestant {
  return {
    name,
    version: () => versionOf(name, engine),
    start: (arena) => starters[name]({ ...arena, engine }),
  };
}

/** A contestant that others measure too, in a place of its own. */
function placed(contestant: Contestant, how: { best: PlacedRelay['best']; identity?: Identity }): Contestant {
  return {
    ...contestant,
    start: async (arena): Promise<PlacedRelay> => {
      await framesPrograms();
      const place = makePlace(arena);
      const relay: Relay = await contestant.start(place.arena);
      const stop = async () => {
        await closeFlows(place);
        await relay.stop();
      };
      return { ...relay, ...how, place, stop };
    },
  };
}

function inKernel(place: Place, line: (flow: number, direction: FrameCell['direction']) => string): PlacedRelay {
  return {
    protocol: 'self',
    front: '',
    pid: 0,
    place,
    best: 'flood',
    flows: (count, direction) => Array.from({ length: count }, (_, flow) => line(flow, direction)),
    stop: async () => undefined,
  };
}
