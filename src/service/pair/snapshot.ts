import { type Endpoint, endpointKey } from '../../net/endpoint.ts';
import type { SocketId } from '../../net/ids.ts';
import type { Millis } from '../../net/time.ts';
import type { Guid } from '../../wire/pair/handshake.ts';
import type { KeptEntry } from '../kept.ts';
import { endpoint, fields, flag, list, text, time, whole } from '../kept-shape.ts';
import { type Channel, type PairForm, Seat } from './channel.ts';
import type { Core } from './core.ts';
import { installFlow } from './flows.ts';
import { reschedule } from './timers.ts';

/** The whole state as a plain value that survives JSON. Listeners are named by where they are bound, because socket ids are of one process. */
export interface Snapshot {
  readonly version: 1;
  readonly channels: readonly ChannelRecord[];
}

interface ChannelRecord {
  readonly form: PairForm;
  readonly guid: Guid;
  readonly seats: readonly SeatRecord[];
}

interface SeatRecord {
  /** endpointKey of the listener. */
  readonly listener: string;
  readonly client: Endpoint;
  readonly proven: boolean;
  readonly word: number;
  readonly lastSeen: Millis;
  /** Its flow was there: it may have sent until now. */
  readonly busy: boolean;
}

export function takeSnapshot(core: Core): Snapshot {
  return { version: 1, channels: [...core.table.all()].map((channel) => recordChannel(core, channel)) };
}

export function* entriesOf(core: Core, channels: Iterable<Channel>): Iterable<KeptEntry> {
  for (const { form, guid, key } of channels) {
    const current = core.table.channel(form, guid);
    yield { key, value: current && recordChannel(core, current) };
  }
}

export function snapshotOf(values: readonly object[]): Snapshot {
  return { version: 1, channels: values as readonly ChannelRecord[] };
}

/**
 * Into an empty service whose listeners are known. What is out of time, of a form that is no longer taken, or came by a
 * listener that is no more, is left out and counted.
 */
export function restoreSnapshot(core: Core, snapshot: Snapshot, now: Millis): void {
  if (snapshot.version !== 1) throw new SnapshotError(`unknown snapshot version ${String(snapshot.version)}`);
  if (core.table.channels > 0) throw new SnapshotError('restore() into a service that has clients already');
  const listeners = new Map([...core.listeners].map(([socket, local]) => [endpointKey(local), socket]));
  for (const record of snapshot.channels) {
    if (!CHANNEL(record) || !restoreChannel(core, record, listeners, now)) core.drop('restore-failed');
  }
}

/** Our mistake, not a client's: a snapshot that this version cannot read, or a restore at the wrong time. */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError';
  readonly code = 'CULVERT_PAIR_SNAPSHOT';
}

function recordChannel(core: Core, channel: Channel): ChannelRecord {
  const { form, guid } = channel;
  return { form, guid, seats: channel.seats().flatMap((seat) => recordSeat(core, seat)) };
}

function recordSeat(core: Core, { socket, endpoint, proven, word, lastSeen, flow }: Seat): SeatRecord[] {
  const listener = core.listeners.get(socket);
  if (listener === undefined) return [];
  const { family, address, port } = endpoint;
  const client = { family, address, port };
  return [{ listener: endpointKey(listener), client, proven, word, lastSeen, busy: flow !== undefined }];
}

function restoreChannel(
  core: Core,
  { form, guid, seats }: ChannelRecord,
  listeners: ReadonlyMap<string, SocketId>,
  now: Millis,
): boolean {
  if (form !== 'v0.8.2' && !core.config.legacy.has(form)) return false;
  if (seats.every(({ busy, lastSeen }) => !busy && lastSeen + core.config.idle <= now)) return false;
  if (core.table.channel(form, guid) !== undefined) return false;
  const [first, second] = seats.map((record) => restoreSeat(core, record, listeners, now));
  if (first === undefined || (seats.length > 1 && second === undefined)) return false;
  const channel = core.table.add(form, guid, first);
  if (second !== undefined) {
    core.table.complete(channel, second);
    for (const [index, seat] of channel.seats().entries()) {
      if (seats[index]?.busy === true) installFlow(core, channel, seat);
    }
  }
  reschedule(core, channel);
  return true;
}

/** While the process was away nobody could send through it: those who were busy get their whole time anew. */
function restoreSeat(
  core: Core,
  { listener, client, proven, word, lastSeen, busy }: SeatRecord,
  listeners: ReadonlyMap<string, SocketId>,
  now: Millis,
): Seat | undefined {
  const socket = listeners.get(listener);
  if (socket === undefined || core.listeners.get(socket)?.family !== client.family) return undefined;
  if (core.table.find(socket, client) !== undefined) return undefined;
  return new Seat(socket, client, proven, word, busy ? now : lastSeen);
}

const SEAT = fields({
  listener: text,
  client: endpoint,
  proven: flag,
  word: whole(0, 0xffffffff),
  lastSeen: time,
  busy: flag,
});
const CHANNEL = fields({
  form: text,
  guid: (value) => typeof value === 'string' && /^[0-9a-f]{32}$/.test(value),
  seats: list(SEAT, 2),
});
