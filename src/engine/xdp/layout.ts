import type { Direction, Encapsulation, Flow, FlowCounters, RateLimit, ServiceName } from '../../flow/flow.ts';
import { parseAddress } from '../../net/address.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import type { Link } from '../../sys/links.ts';
import { LINK_TABLE_BYTES, readLinks, writeLinks } from './link-table.ts';

// Keys and values of the kernel's maps, as bpf/layout.h has them: addresses, ports and discriminators in network byte order, the rest
// in that of the machine, which is little-endian. A test compares sizes and offsets with the BTF of the object.

/**
 * What maps look like and what their numbers mean: a process can use maps that another version left only if that knew them by the same
 * digest. The test of the object says what it has to be.
 */
export const LAYOUT = 'e81dd02530f6c34f';

export type FlowMapName = 'flows4' | 'flows6' | 'receivers4' | 'receivers6';
export const FLOW_MAPS: readonly FlowMapName[] = ['flows4', 'flows6', 'receivers4', 'receivers6'];

export const KEY_BYTES: Readonly<Record<FlowMapName, number>> = {
  flows4: 16,
  flows6: 40,
  receivers4: 16,
  receivers6: 40,
};

/** Which of the maps a flow belongs into, and its key there. */
export function flowKey(flow: Pick<Flow, 'match'>): { readonly map: FlowMapName; readonly key: Buffer } {
  const { local, remote, discriminator } = flow.match;
  const receiver = discriminator.kind === 'receiver';
  const width = remote.family === 4 ? 4 : 16;
  const key = Buffer.alloc(2 * width + 8);
  writeAddress(key, 0, local);
  writeAddress(key, width, remote);
  key.writeUInt16BE(local.port, 2 * width);
  key.writeUInt16BE(remote.port, 2 * width + 2);
  if (discriminator.kind === 'channel') key.writeUInt16BE(discriminator.channel, 2 * width + 4);
  else if (receiver) key.writeUInt32LE(discriminator.index, 2 * width + 4);
  return { map: `${receiver ? 'receivers' : 'flows'}${remote.family}`, key };
}

export const FLOW_BYTES = 120;
/** struct flow */
export const FLOW_OFFSETS = {
  local: 0,
  remote: 16,
  local_port: 32,
  remote_port: 34,
  family: 36,
  encapsulation: 37,
  channel: 38,
  except: 40,
  has_except: 44,
  service: 45,
  direction: 46,
  id: 48,
  bucket: 56,
  packets: 64,
  bytes: 72,
  last_seen: 80,
  hop: 88,
} as const;

/**
 * `source`: the address to send from, which is not the rewrite's own where that is a wildcard. `bucket`: its key in `buckets`, 0 for none.
 * Counters and next hop begin at nothing.
 */
export function flowValue(flow: Flow, source: string, bucket: number): Buffer {
  const { rewrite, match } = flow;
  const value = Buffer.alloc(FLOW_BYTES);
  writeAddress(value, FLOW_OFFSETS.local, { family: rewrite.remote.family, address: source });
  writeAddress(value, FLOW_OFFSETS.remote, rewrite.remote);
  value.writeUInt16BE(rewrite.local.port, FLOW_OFFSETS.local_port);
  value.writeUInt16BE(rewrite.remote.port, FLOW_OFFSETS.remote_port);
  value[FLOW_OFFSETS.family] = rewrite.remote.family;
  value[FLOW_OFFSETS.encapsulation] = ENCAPSULATIONS[rewrite.encapsulation.kind];
  if ('channel' in rewrite.encapsulation) value.writeUInt16BE(rewrite.encapsulation.channel, FLOW_OFFSETS.channel);
  if (match.exceptWord !== undefined) {
    value.writeUInt32BE(match.exceptWord, FLOW_OFFSETS.except);
    value[FLOW_OFFSETS.has_except] = 1;
  }
  value[FLOW_OFFSETS.service] = SERVICES[flow.service];
  value[FLOW_OFFSETS.direction] = DIRECTIONS[flow.direction];
  value.writeBigUInt64LE(BigInt(flow.id), FLOW_OFFSETS.id);
  value.writeBigUInt64LE(BigInt(bucket), FLOW_OFFSETS.bucket);
  return value;
}

/** Whether both send the same packets the same way; whose they are, and by what limit, may differ. */
export function isSameRewrite(a: Buffer, b: Buffer): boolean {
  return a.subarray(0, FLOW_OFFSETS.id).equals(b.subarray(0, FLOW_OFFSETS.id));
}

/** What the program writes: counters, and the next hop. */
export function copyWritten(from: Buffer, into: Buffer): void {
  from.copy(into, FLOW_OFFSETS.packets, FLOW_OFFSETS.packets);
}

/** `lastSeen` in milliseconds of CLOCK_MONOTONIC; `at`: where the value begins in a batch. */
export function readFlow(value: Buffer, at: number = 0): { readonly id: number; readonly counters: FlowCounters } {
  return {
    id: readNumber(value, at + FLOW_OFFSETS.id),
    counters: {
      packets: readNumber(value, at + FLOW_OFFSETS.packets),
      bytes: readNumber(value, at + FLOW_OFFSETS.bytes),
      lastSeen: Number(value.readBigUInt64LE(at + FLOW_OFFSETS.last_seen) / NS_PER_MS),
    },
  };
}

export const BUCKET_BYTES = 48;
/** struct bucket */
export const BUCKET_OFFSETS = { rate: 8, depth: 16, level: 24, updated: 32, full_after: 40 } as const;

/** `now`: milliseconds of CLOCK_MONOTONIC. Full, as a new TokenBucket is. */
export function bucketValue(limit: RateLimit, now: number): Buffer {
  const depth = limit.burst * PER_BYTE;
  const value = Buffer.alloc(BUCKET_BYTES);
  value.writeBigUInt64LE(BigInt(limit.bytesPerSecond), BUCKET_OFFSETS.rate);
  value.writeBigUInt64LE(BigInt(depth), BUCKET_OFFSETS.depth);
  value.writeBigUInt64LE(BigInt(depth), BUCKET_OFFSETS.level);
  value.writeBigUInt64LE(BigInt(now), BUCKET_OFFSETS.updated);
  value.writeBigUInt64LE(BigInt(Math.ceil(depth / limit.bytesPerSecond)), BUCKET_OFFSETS.full_after);
  return value;
}

/** struct port */
export function portValue(port: { bits4: number; bits6: number; service4: number; service6: number }): Buffer {
  return Buffer.of(port.bits4, port.bits6, port.service4, port.service6);
}

/** enum port_bit */
export const PORT_BITS = { OPEN: 1, CHANNELS: 2, RECEIVERS: 4, PLAIN: 8, WILDCARD: 16, BUDGETED: 32 } as const;

export const SETTINGS_OFFSETS = {
  clock: 0,
  hop_lifetime: 8,
  budget_interval: 16,
  budget_burst: 24,
  forward_until: 32,
  generation: 40,
  lookup_ifindex: 44,
  near4: 48,
  near6: 64,
  spread: 96,
  links: 100,
} as const;
/** With four bytes behind the links. */
export const SETTINGS_BYTES: number = SETTINGS_OFFSETS.links + LINK_TABLE_BYTES + 4;

/** struct settings. Times in nanoseconds, but for the clock. */
export interface KernelSettings {
  /** 0: the kernel's own clock; else what time it is, in milliseconds, for tests. */
  readonly clock: number;
  readonly hopLifetime: number;
  /** What a packet that goes up costs its source's prefix; 0 = no budgets. */
  readonly budgetInterval: number;
  readonly budgetBurst: number;
  /** Flows are executed up to here, in milliseconds of CLOCK_MONOTONIC; 0 = for ever. */
  readonly forwardUntil: number;
  readonly generation: number;
  readonly lookupIfindex: number;
  /** Addresses of this host, the most used ones first. Those for which there is no place are looked up in `own4` and `own6`. */
  readonly near: readonly string[];
  /** Frames are taken that are for the address of the link that they come in by, and of no other. */
  readonly links: readonly Link[];
}

export function settingsValue(settings: KernelSettings): Buffer {
  const value = Buffer.alloc(SETTINGS_BYTES);
  value.writeBigUInt64LE(BigInt(settings.clock) * NS_PER_MS, SETTINGS_OFFSETS.clock);
  value.writeBigUInt64LE(BigInt(settings.hopLifetime), SETTINGS_OFFSETS.hop_lifetime);
  value.writeBigUInt64LE(BigInt(settings.budgetInterval), SETTINGS_OFFSETS.budget_interval);
  value.writeBigUInt64LE(BigInt(settings.budgetBurst), SETTINGS_OFFSETS.budget_burst);
  value.writeBigUInt64LE(BigInt(settings.forwardUntil) * NS_PER_MS, SETTINGS_OFFSETS.forward_until);
  value.writeUInt32LE(settings.generation, SETTINGS_OFFSETS.generation);
  value.writeUInt32LE(settings.lookupIfindex, SETTINGS_OFFSETS.lookup_ifindex);
  writeNear(value, settings.near);
  value.writeUInt32LE(writeLinks(value, SETTINGS_OFFSETS.links, settings.links), SETTINGS_OFFSETS.spread);
  return value;
}

/** What of it outlives the process that wrote it. */
export function readSettings(value: Buffer): Pick<KernelSettings, 'forwardUntil' | 'links'> {
  return {
    forwardUntil: Number(value.readBigUInt64LE(SETTINGS_OFFSETS.forward_until) / NS_PER_MS),
    links: readLinks(value, SETTINGS_OFFSETS.links),
  };
}

/** struct neighbour: a next hop. */
export const NEIGHBOUR_OFFSETS = { ifindex: 0, family: 4, address: 8 } as const;

/** enum exit: how an interface sends. */
export const EXITS = { REDIRECT: 1, TRANSMIT: 2 } as const;

export const COUNTER_BYTES = 16;

/** enum service */
export const SERVICES: Readonly<Record<ServiceName | 'engine', number>> = {
  engine: 0,
  turn: 1,
  wireguard: 2,
  pair: 3,
  forward: 4,
};

/** 4 or 16 bytes, as keys of `own4` and `own6`. */
export function addressKey(address: string): Buffer {
  const bytes = parseAddress(address);
  if (bytes === undefined) throw new LayoutMisuse(`${address} is no address`);
  return Buffer.from(bytes);
}

export function uint32Key(value: number): Buffer {
  const key = Buffer.alloc(4);
  key.writeUInt32LE(value);
  return key;
}

export function uint64Key(value: number): Buffer {
  const key = Buffer.alloc(8);
  key.writeBigUInt64LE(BigInt(value));
  return key;
}

/** Up to 2^53, which counters reach after centuries. */
export function readNumber(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 0x1_0000_0000;
}

class LayoutMisuse extends Error {
  override readonly name = 'LayoutMisuse';
  readonly code = 'CULVERT_LAYOUT_MISUSE';
}

/** As many as there are places. None is left empty, which would be an address too. */
function writeNear(into: Buffer, addresses: readonly string[]): void {
  const keys = addresses.map(addressKey);
  for (const { at, bytes, places } of NEAR) {
    const some = keys.filter((key) => key.length === bytes);
    for (let place = 0; place < places; place++) some[place % some.length]?.copy(into, at + place * bytes);
  }
}

function writeAddress(into: Buffer, at: number, endpoint: Pick<Endpoint, 'family' | 'address'>): void {
  addressKey(endpoint.address).copy(into, at);
}

/** enum encapsulation */
const ENCAPSULATIONS: Readonly<Record<Encapsulation['kind'], number>> = { keep: 0, strip: 1, add: 2, replace: 3 };
/** enum direction */
const DIRECTIONS: Readonly<Record<Direction, number>> = { to_peer: 0, to_client: 1 };
/** `near4` and `near6` of the settings. */
const NEAR = [
  { at: SETTINGS_OFFSETS.near4, bytes: 4, places: 4 },
  { at: SETTINGS_OFFSETS.near6, bytes: 16, places: 2 },
] as const;
const PER_BYTE = 1000;
const NS_PER_MS = 1_000_000n;
