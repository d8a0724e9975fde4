import fc from 'fast-check';
import type { Discriminator, Encapsulation, Flow, RateLimit } from '../../../src/flow/flow.ts';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import type { BucketId, FlowId, SocketId } from '../../../src/net/ids.ts';
import { FAR4, FAR6, NEIGHBOURS4, NEIGHBOURS6, RELAY4, RELAY6 } from './rig.ts';

// What fast-check draws for agreement.test.ts: few endpoints, channels and indexes, so that flows and packets meet.

export const PACKETS = 40;
export const PORTS: readonly number[] = [3478, 49_152, 51_820];
const CHANNELS: readonly number[] = [0x4000, 0x4001, 0x7fff];
const INDEXES: readonly number[] = [0, 0x4000_0000, 0xdead_beef];
const WORDS: readonly number[] = [0x01020304, 0, 0x04000000, 0x40000004];
const LIMITS: readonly RateLimit[] = [
  { bucket: 1 as BucketId, bytesPerSecond: 1000, burst: 600 },
  { bucket: 2 as BucketId, bytesPerSecond: 333, burst: 1 },
  { bucket: 3 as BucketId, bytesPerSecond: 1e12, burst: 1e9 },
];

export interface FlowPlan {
  readonly family: 4 | 6;
  readonly local: number;
  readonly remote: number;
  readonly discriminator: Discriminator;
  readonly exceptWord: number | undefined;
  readonly egressFamily: 4 | 6;
  readonly egressLocal: number;
  readonly egressRemote: number;
  readonly encapsulation: Encapsulation;
  readonly limit: RateLimit | undefined;
}

export interface PacketPlan {
  readonly flow: number;
  readonly stray: boolean;
  readonly family: 4 | 6;
  readonly local: number;
  readonly remote: number;
  readonly shape: 'suited' | 'channel' | 'receiver' | 'word' | 'bytes';
  readonly channel: number;
  readonly index: number;
  readonly type: number;
  readonly word: number;
  readonly data: Uint8Array;
  /** Bytes behind the data of ChannelData that its length does not count; below 0: it counts more than there are. */
  readonly padding: number;
  readonly elapsed: number;
  readonly trafficClass: number;
  readonly hopLimit: number;
  readonly id: number;
  readonly checksum: 'right' | 'none' | 'partial';
  readonly trailer: number;
  /** For the hardware address of another host. */
  readonly astray: boolean;
}

const family = fc.constantFrom(4 as const, 6 as const);
const few = fc.nat(8);
const channel = fc.constantFrom(...CHANNELS);
const discriminator: fc.Arbitrary<Discriminator> = fc.oneof(
  fc.constant<Discriminator>({ kind: 'none' }),
  fc.record({ kind: fc.constant('channel' as const), channel }),
  fc.record({ kind: fc.constant('receiver' as const), index: fc.constantFrom(...INDEXES) }),
);
const encapsulationOf = (given: Discriminator): fc.Arbitrary<Encapsulation> =>
  fc.oneof(
    fc.constant<Encapsulation>({ kind: 'keep' }),
    fc.record({ kind: fc.constant('add' as const), channel }),
    ...(given.kind === 'channel'
      ? [fc.constant<Encapsulation>({ kind: 'strip' }), fc.record({ kind: fc.constant('replace' as const), channel })]
      : []),
  );
export const flowPlan: fc.Arbitrary<FlowPlan> = discriminator.chain((given) =>
  fc.record({
    family,
    local: few,
    remote: few,
    discriminator: fc.constant(given),
    exceptWord:
      given.kind === 'none' ? fc.option(fc.constantFrom(...WORDS), { nil: undefined }) : fc.constant(undefined),
    egressFamily: family,
    egressLocal: few,
    egressRemote: few,
    encapsulation: encapsulationOf(given),
    limit: fc.option(fc.constantFrom(...LIMITS), { nil: undefined, freq: 2 }),
  }),
);
const packetPlan: fc.Arbitrary<PacketPlan> = fc.record({
  flow: fc.nat(100),
  stray: fc.nat(9).map((draw) => draw === 0),
  family,
  local: few,
  remote: few,
  shape: fc.constantFrom('suited', 'suited', 'suited', 'channel', 'receiver', 'word', 'bytes'),
  channel,
  index: fc.constantFrom(...INDEXES),
  type: fc.constantFrom(1, 2, 3, 4, 5),
  word: fc.constantFrom(...WORDS),
  data: fc.oneof(
    { arbitrary: fc.uint8Array({ maxLength: 40 }), weight: 6 },
    { arbitrary: fc.uint8Array({ minLength: 41, maxLength: 300 }), weight: 2 },
    { arbitrary: fc.integer({ min: 1380, max: 1420 }).map((length) => new Uint8Array(length).fill(0x5a)), weight: 1 },
  ),
  padding: fc.constantFrom(0, 0, 0, 1, 2, 3, 4, 9, -1, -5),
  elapsed: fc.constantFrom(0, 0, 1, 3, 40, 700, 100_000),
  trafficClass: fc.nat(255),
  hopLimit: fc.integer({ min: 2, max: 255 }),
  id: fc.nat(0xffff),
  checksum: fc.constantFrom('right', 'right', 'right', 'right', 'none', 'partial'),
  trailer: fc.constantFrom(0, 0, 0, 1, 6, 18),
  astray: fc.nat(19).map((draw) => draw === 0),
});
export const packetPlans: fc.Arbitrary<PacketPlan[]> = fc.array(packetPlan, { minLength: PACKETS, maxLength: PACKETS });

export function flowOf(plan: FlowPlan, id: FlowId): Flow {
  const local = localOf(plan.local, plan.family);
  const egress = localOf(plan.egressLocal, plan.egressFamily);
  return {
    id,
    service: 'turn',
    direction: 'to_peer',
    match: {
      socket: socketOf(local),
      local,
      remote: remoteOf(plan.remote, plan.family),
      discriminator: plan.discriminator,
      ...(plan.exceptWord === undefined ? {} : { exceptWord: plan.exceptWord }),
    },
    rewrite: {
      socket: socketOf(egress),
      local: egress,
      remote: remoteOf(plan.egressRemote, plan.egressFamily),
      encapsulation: plan.encapsulation,
    },
    ...(plan.limit === undefined ? {} : { limit: plan.limit }),
    idle: 0,
  };
}

export function localOf(draw: number, family: 4 | 6): Endpoint {
  return { family, address: family === 4 ? RELAY4 : RELAY6, port: PORTS[draw % PORTS.length] ?? 0 };
}

export function remoteOf(draw: number, family: 4 | 6): Endpoint {
  const addresses = family === 4 ? [...NEIGHBOURS4, FAR4] : [...NEIGHBOURS6, FAR6];
  return { family, address: addresses[draw % addresses.length] ?? '', port: 40_000 + (draw >> 2) };
}

export function socketOf({ family, port }: Endpoint): SocketId {
  return (family * 100_000 + port) as SocketId;
}

export function payloadOf(plan: PacketPlan, flow: Flow | undefined): Uint8Array {
  const wanted = flow?.match.discriminator ?? { kind: 'none' };
  const shape = plan.shape === 'suited' ? wanted.kind : plan.shape;
  switch (shape) {
    case 'channel': {
      const number = plan.shape === 'suited' && wanted.kind === 'channel' ? wanted.channel : plan.channel;
      const header = Buffer.alloc(4);
      header.writeUInt16BE(number, 0);
      header.writeUInt16BE(Math.max(0, plan.data.length - Math.min(0, plan.padding)), 2);
      return Buffer.concat([header, plan.data, Buffer.alloc(Math.max(0, plan.padding), 0xa5)]);
    }
    case 'receiver': {
      const index = plan.shape === 'suited' && wanted.kind === 'receiver' ? wanted.index : plan.index;
      const lengths = [0, 148, 92, 64, Math.max(32, plan.data.length), 40];
      const odd = plan.padding < 0 ? 1 : 0;
      const message = Buffer.alloc((lengths[plan.type] ?? 0) - odd);
      message[0] = plan.type;
      message.writeUInt32LE(index, plan.type === 2 ? 8 : 4);
      return message;
    }
    case 'word': {
      const word = Buffer.alloc(4);
      word.writeUInt32BE(plan.word);
      return Buffer.concat([
        word.subarray(0, plan.padding < 0 ? 3 : 4),
        plan.padding < 0 ? Buffer.alloc(0) : plan.data,
      ]);
    }
    default:
      return plan.data;
  }
}
