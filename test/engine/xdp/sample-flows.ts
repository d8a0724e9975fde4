import { PORT_BITS } from '../../../src/engine/xdp/layout.ts';
import type { Discriminator, Encapsulation, Flow } from '../../../src/flow/flow.ts';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import type { FlowId, SocketId } from '../../../src/net/ids.ts';
import type { FrameSpec } from './frames.ts';
import { NEIGHBOURS4, NEIGHBOURS6, RELAY4, RELAY6 } from './rig.ts';

export const ALL: number = PORT_BITS.OPEN | PORT_BITS.CHANNELS | PORT_BITS.RECEIVERS | PORT_BITS.PLAIN;
export const LISTENER: Endpoint = { family: 4, address: RELAY4, port: 3478 };
export const RELAYED: Endpoint = { family: 4, address: RELAY4, port: 49_160 };
export const CLIENT: Endpoint = { family: 4, address: NEIGHBOURS4[0] ?? '', port: 40_000 };
const PEER: Endpoint = { family: 4, address: NEIGHBOURS4[1] ?? '', port: 50_000 };

/** Each change of encapsulation in all four combinations of families, and both ways of a WireGuard index. */
export function flowsOfEveryKind(): [string, () => Flow][] {
  const channel: Discriminator = { kind: 'channel', channel: 0x4001 };
  const kinds: [string, Discriminator, Encapsulation][] = [
    ['keep', { kind: 'none' }, { kind: 'keep' }],
    ['strip', channel, { kind: 'strip' }],
    ['add', { kind: 'none' }, { kind: 'add', channel: 0x4002 }],
    ['replace', channel, { kind: 'replace', channel: 0x7ffe }],
    ['by receiver index', { kind: 'receiver', index: 0xfedcba98 }, { kind: 'keep' }],
  ];
  return kinds.flatMap(([name, discriminator, encapsulation]) =>
    ([4, 6] as const).flatMap((from) =>
      ([4, 6] as const).map((to): [string, () => Flow] => [
        `${name}, IPv${from} to IPv${to}`,
        () => acrossFamilies(flowWith(discriminator, encapsulation), from, to),
      ]),
    ),
  );
}

export function flowWith(discriminator: Discriminator, encapsulation: Encapsulation, index = 0): Flow {
  return {
    id: (index + 1) as FlowId,
    service: 'turn',
    direction: 'to_peer',
    match: { socket: 1 as SocketId, local: LISTENER, remote: { ...CLIENT, port: CLIENT.port + index }, discriminator },
    rewrite: { socket: 2 as SocketId, local: RELAYED, remote: PEER, encapsulation },
    idle: 0,
  };
}

function acrossFamilies(flow: Flow, from: 4 | 6, to: 4 | 6): Flow {
  const six = (endpoint: Endpoint, address: string | undefined): Endpoint => ({
    ...endpoint,
    family: 6,
    address: address ?? '',
  });
  const { match, rewrite } = flow;
  return {
    ...flow,
    match:
      from === 4 ? match : { ...match, local: six(match.local, RELAY6), remote: six(match.remote, NEIGHBOURS6[0]) },
    rewrite:
      to === 4
        ? rewrite
        : { ...rewrite, local: six(rewrite.local, RELAY6), remote: six(rewrite.remote, NEIGHBOURS6[1]) },
  };
}

export function specFor(flow: Flow | undefined, spec: Partial<FrameSpec>): FrameSpec {
  const match = flow?.match ?? { local: LISTENER, remote: CLIENT };
  return {
    from: match.remote,
    to: match.local,
    payload: flow === undefined ? Buffer.alloc(40) : payloadFor(flow, 40),
    ...spec,
  };
}

/** A payload that the flow takes and that goes out with as many bytes. */
export function payloadFor({ match: { discriminator }, rewrite: { encapsulation } }: Flow, bytes: number): Buffer {
  const added = encapsulation.kind === 'add' || encapsulation.kind === 'replace' ? 4 : 0;
  const data = Buffer.alloc(bytes - added, 0x9a);
  if (discriminator.kind === 'channel') return Buffer.concat([channelHeader(discriminator.channel, data.length), data]);
  if (discriminator.kind === 'receiver') {
    data.writeUInt32BE(0x04000000, 0);
    data.writeUInt32LE(discriminator.index, 4);
  }
  return data;
}

export function channelHeader(channel: number, length: number): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt16BE(channel, 0);
  header.writeUInt16BE(length, 2);
  return header;
}
