import type { Direction } from '../../flow/flow.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import type { FlowId, IdSource, SocketId, StreamId } from '../../net/ids.ts';
import type { OpenResult } from '../../net/open-result.ts';
import type { RandomBytes } from '../../net/random.ts';
import type { Millis } from '../../net/time.ts';
import type { ClientRecord } from '../client-record.ts';
import { type Common, standalone } from '../common.ts';
import type { Counter } from '../counters.ts';
import type { KeptEntry, Restorable } from '../kept.ts';
import { isReflector } from '../reflector.ts';
import type { Drainable, Managed, Order, Service } from '../service.ts';
import { applyBlocks } from './blocking.ts';
import { handleChannelData } from './channel-data.ts';
import { UdpClient } from './client.ts';
import { recordClients } from './clients.ts';
import type { TurnConfig } from './config.ts';
import { Core } from './core.ts';
import type { ResponseCount } from './counts.ts';
import { endAllocation } from './ending.ts';
import { entriesOf, snapshotOf } from './kept.ts';
import { handlePortOpened } from './opening.ts';
import type { DropReason } from './reasons.ts';
import { reconfigure } from './reconfigure.ts';
import { relayToClient } from './relaying.ts';
import { handleMessage } from './requests.ts';
import { restoreSnapshot } from './restore.ts';
import { type Snapshot, takeSnapshot } from './snapshot.ts';
import { forgetStream, handleStreamChunk, openStream } from './streams.ts';
import { expire } from './timers.ts';

/**
 * STUN and TURN (RFC 8489, RFC 8656) as a state machine: messages, port results and the time in; orders out.
 *
 * A client is known by its 5-tuple and may hold one allocation: relayed ports, permissions for peer addresses, and channels. A permission
 * and a channel together become flows, which the engine executes without asking; all other data comes here and is relayed by
 * the same rules. Everything expires by itself, through one heap of deadlines.
 */
export class TurnService implements Service, Drainable, Managed, Restorable {
  readonly name = 'turn';
  readonly #core: Core;

  constructor(config: TurnConfig, ids: IdSource, random: RandomBytes, common: Common = standalone(random)) {
    this.#core = new Core(config, ids, random, common);
  }

  /** Must be called for every UDP listener before its first datagram: flows and snapshots name where it is bound. */
  addListener(socket: SocketId, local: Endpoint): void {
    this.#core.listeners.set(socket, local);
  }

  /** So that client records can say where a connection came in. */
  addStreamListener(socket: SocketId, local: Endpoint): void {
    this.#core.streamListeners.set(socket, local);
  }

  /** Ends every allocation whose client came by this UDP listener. */
  removeListener(socket: SocketId, now: Millis): void {
    expire(this.#core, now);
    const lost = [...this.#core.table.all()].filter(
      ({ client }) => client instanceof UdpClient && client.socket === socket,
    );
    for (const allocation of lost) endAllocation(this.#core, allocation, 'listener-gone', now);
    this.#core.listeners.delete(socket);
  }

  handleDatagram(at: SocketId, from: Endpoint, packet: Uint8Array, now: Millis): undefined {
    const core = this.#core;
    expire(core, now);
    if (core.blocks.refuses(from, now)) return core.drop('blocked');
    const relay = core.table.sockets.get(at);
    if (relay !== undefined) return relayToClient(core, relay, from, packet, now);
    // Perhaps a port that was closed while this packet was on its way up.
    if (!core.listeners.has(at)) return core.drop('unknown-socket');
    if (isReflector(from)) return core.drop('reflector-source');
    const client = new UdpClient(at, from);
    // RFC 8656 §12, table 3: the first byte tells the protocols apart.
    const first = packet[0] ?? 0xff;
    if (first <= 0x03) handleMessage(core, client, packet, now);
    else if (first >= 0x40 && first <= 0x7f) handleChannelData(core, client, packet, now);
    else core.drop('not-turn');
  }

  handlePortOpened(socket: SocketId, result: OpenResult, now: Millis): void {
    expire(this.#core, now);
    const relay = this.#core.table.sockets.get(socket);
    if (relay !== undefined) handlePortOpened(this.#core, relay, result, now);
  }

  /** Flows of this service never idle out: they end with their channel, permission or allocation. */
  handleFlowIdle(_flow: FlowId, now: Millis): void {
    expire(this.#core, now);
  }

  handleStreamOpened(stream: StreamId, at: SocketId, from: Endpoint, now: Millis): void {
    expire(this.#core, now);
    openStream(this.#core, stream, at, from, now);
  }

  handleStreamData(stream: StreamId, chunk: Uint8Array, now: Millis): undefined {
    expire(this.#core, now);
    const client = this.#core.table.streams.get(stream);
    // Closed by us while this chunk was on its way up.
    if (client === undefined) return this.#core.drop('unknown-stream');
    handleStreamChunk(this.#core, client, chunk, now);
  }

  handleStreamClosed(stream: StreamId, now: Millis): void {
    // First of all: an order for a stream that is gone could not be carried out, were its time up in this very moment.
    const client = this.#core.table.streams.get(stream);
    if (client !== undefined) forgetStream(this.#core, client, now);
    expire(this.#core, now);
  }

  handleTimeout(now: Millis): void {
    expire(this.#core, now);
  }

  pollOutput(): Order | undefined {
    return this.#core.orders.take();
  }

  pollTimeout(): Millis | undefined {
    return this.#core.deadlines.next();
  }

  /** From now on nobody gets an allocation; those that are there are refreshed as ever. */
  drain(now: Millis): void {
    expire(this.#core, now);
    this.#core.draining = true;
  }

  resume(now: Millis): void {
    expire(this.#core, now);
    this.#core.draining = false;
  }

  get clientsLeft(): number {
    return this.#core.table.allocations;
  }

  /** The block list has changed: who is on it now loses everything, as a client and as a peer. Drain pollOutput() afterwards. */
  applyBlocks(now: Millis): void {
    expire(this.#core, now);
    applyBlocks(this.#core, now);
  }

  /** One record for each allocation, for people. */
  clients(): Iterable<ClientRecord> {
    return recordClients(this.#core);
  }

  /** Takes effect at once; drain pollOutput() afterwards. */
  updateConfig(config: TurnConfig, now: Millis): void {
    expire(this.#core, now);
    reconfigure(this.#core, config);
  }

  /** A value that survives JSON. */
  snapshot(): Snapshot {
    return takeSnapshot(this.#core);
  }

  /** Into a new service, after addListener(); drain pollOutput() afterwards. Throws SnapshotError for what is no snapshot of ours. */
  restore(snapshot: Snapshot, now: Millis): void {
    restoreSnapshot(this.#core, snapshot, now);
  }

  keptEntries(): Iterable<KeptEntry> {
    const { table, changes } = this.#core;
    changes.begin();
    return entriesOf(this.#core, [...table.all(), ...table.reservations.values()]);
  }

  keptChanges(): Iterable<KeptEntry> | undefined {
    const things = this.#core.changes.take();
    return things && entriesOf(this.#core, things);
  }

  restoreEntries(values: readonly object[], now: Millis): void {
    restoreSnapshot(this.#core, snapshotOf(values), now);
  }

  get leftOut(): number {
    return this.#core.drops.get('restore-failed');
  }

  stats(): TurnStats {
    const { table, drops, responses, relayed } = this.#core;
    return {
      allocations: table.allocations,
      clients: table.clients,
      drops,
      responses: responses.list(),
      relayed: relayed.read(),
      held: this.#held(),
    };
  }

  #held(): TurnStats['held'] {
    const { table, deadlines, pools, openings } = this.#core;
    return {
      entries: table.entries,
      deadlines: deadlines.size,
      openings,
      freePorts: (pools[4]?.free ?? 0) + (pools[6]?.free ?? 0),
    };
  }
}

export interface TurnStats {
  /** Those whose ports are still being bound count. */
  readonly allocations: number;
  /** 5-tuples: allocations over UDP, and open streams. */
  readonly clients: number;
  readonly drops: Counter<DropReason>;
  readonly responses: readonly ResponseCount[];
  /** Application data on the slow path, without what flows carry. */
  readonly relayed: Readonly<Record<Direction, { readonly packets: number; readonly bytes: number }>>;
  /** What is in memory, for leak checks: map entries, set deadlines, allocations being opened, free ports of both families. */
  readonly held: {
    readonly entries: number;
    readonly deadlines: number;
    readonly openings: number;
    readonly freePorts: number;
  };
}
