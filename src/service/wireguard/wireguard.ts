import type { Endpoint } from '../../net/endpoint.ts';
import type { FlowId, SocketId, StreamId } from '../../net/ids.ts';
import type { OpenResult } from '../../net/open-result.ts';
import type { Millis } from '../../net/time.ts';
import { decodeWireguard } from '../../wire/wireguard/message.ts';
import type { ClientRecord } from '../client-record.ts';
import type { Counter } from '../counters.ts';
import type { KeptEntry, Restorable } from '../kept.ts';
import { isReflector } from '../reflector.ts';
import type { Drainable, Managed, Order, Service } from '../service.ts';
import { handleCookieReply, handleData, handleResponse } from './answers.ts';
import { recordClients } from './clients.ts';
import type { WireguardConfig } from './config.ts';
import { Core, type CoreParts } from './core.ts';
import { handleInitiation } from './initiations.ts';
import { forget } from './members.ts';
import type { DropReason } from './reasons.ts';
import { reconfigure } from './reconfigure.ts';
import { entriesOf, restoreSnapshot, type Snapshot, snapshotOf, takeSnapshot } from './snapshot.ts';
import type { Totals } from './statistics.ts';
import { expire, nextTimeout } from './timers.ts';

/**
 * A relay for WireGuard peers that name it as their Endpoint, as a state machine. It holds no key of theirs, decrypts nothing and changes
 * nothing: handshakes are watched, and the indices in them say who may speak to whom. Data then takes flows, which the engine executes.
 */
export class WireguardService implements Service, Drainable, Managed, Restorable {
  readonly name = 'wireguard';
  readonly #core: Core;
  #now: Millis = 0;

  constructor(parts: CoreParts) {
    this.#core = new Core(parts);
  }

  /** Must be called for every listener before its first datagram: flows and snapshots name where it is bound. */
  addListener(socket: SocketId, local: Endpoint): void {
    this.#core.listeners.set(socket, local);
  }

  handleDatagram(at: SocketId, from: Endpoint, packet: Uint8Array, now: Millis): undefined {
    const core = this.#core;
    this.#begin(now);
    if (!core.listeners.has(at)) return core.drop('unknown-socket');
    core.statistics.wake(now);
    if (core.blocks.refuses(from, now)) {
      core.statistics.blocked++;
      return core.drop('blocked');
    }
    if (isReflector(from)) return core.drop('reflector-source');
    if (core.isOwn(from)) return core.drop('own-address');
    const message = decodeWireguard(packet);
    if (typeof message === 'string') return core.drop(message);
    switch (message.type) {
      case 'initiation':
        return handleInitiation(core, at, from, message, packet, now);
      case 'response':
        return handleResponse(core, at, from, message, packet, now);
      case 'cookie':
        return handleCookieReply(core, at, from, message, packet, now);
      case 'data':
        return handleData(core, at, from, message, packet, now);
    }
  }

  handleTimeout(now: Millis): void {
    this.#begin(now);
    this.#core.searches.run(this.#core, now);
  }

  /** Flows of this service never idle out: they end with their route. */
  handleFlowIdle(_flow: FlowId, now: Millis): void {
    this.#begin(now);
  }

  handlePortOpened(_socket: SocketId, _result: OpenResult, now: Millis): void {
    this.#begin(now);
  }

  handleStreamOpened(_stream: StreamId, _at: SocketId, _from: Endpoint, now: Millis): void {
    this.#begin(now);
  }

  handleStreamData(_stream: StreamId, _chunk: Uint8Array, now: Millis): void {
    this.#begin(now);
  }

  handleStreamClosed(_stream: StreamId, now: Millis): void {
    this.#begin(now);
  }

  pollOutput(): Order | undefined {
    return this.#core.orders.take();
  }

  pollTimeout(): Millis | undefined {
    return nextTimeout(this.#core, this.#now);
  }

  /** Takes effect at once; drain pollOutput() afterwards. Listeners, and whether there is a proof and by which key, are those of the start. */
  updateConfig(config: WireguardConfig, now: Millis): void {
    this.#begin(now);
    reconfigure(this.#core, config);
  }

  /** From now on no endpoint becomes a client, but the next one of a client that moves, where its key tells. */
  drain(now: Millis): void {
    this.#begin(now);
    this.#core.draining = true;
  }

  resume(now: Millis): void {
    this.#begin(now);
    this.#core.draining = false;
  }

  /** Clients with a persistent keepalive never go by themselves. A restart takes nothing from them: whoever stops need not wait for 0. */
  get clientsLeft(): number {
    return this.#core.table.clients.size;
  }

  /** The block list has changed: who is on it now is forgotten, flows and all. Drain pollOutput() afterwards. */
  applyBlocks(now: Millis): void {
    this.#begin(now);
    const { table, blocks } = this.#core;
    for (const remote of [...table.clients, ...table.strangers.all]) {
      if (blocks.isBlocked(remote.endpoint, now)) forget(this.#core, remote);
    }
  }

  /** A value that survives JSON. */
  snapshot(): Snapshot {
    return takeSnapshot(this.#core);
  }

  /** Into a new service, after addListener(); drain pollOutput() afterwards. Throws SnapshotError for what is no snapshot of ours. */
  restore(snapshot: Snapshot, now: Millis): void {
    this.#begin(now);
    restoreSnapshot(this.#core, snapshot, now);
  }

  keptEntries(): Iterable<KeptEntry> {
    const { table, registry, changes, statistics } = this.#core;
    changes.begin();
    return entriesOf(this.#core, [...table.clients, ...registry.keys], statistics.totals(this.#core));
  }

  keptChanges(): Iterable<KeptEntry> | undefined {
    const things = this.#core.changes.take();
    return things && entriesOf(this.#core, things, this.#core.statistics.news(this.#core));
  }

  restoreEntries(values: readonly object[], now: Millis): void {
    this.#begin(now);
    restoreSnapshot(this.#core, snapshotOf(values), now);
  }

  get leftOut(): number {
    return this.#core.drops.get('restore-failed');
  }

  /** One record for each client, for people. */
  clients(): Iterable<ClientRecord> {
    return recordClients(this.#core);
  }

  stats(): WireguardStats {
    const { table, drops, relayed, statistics, deadlines, searches, registry, proof } = this.#core;
    return {
      clients: table.clients.size,
      drops,
      relayed: relayed.read().to_peer,
      totals: statistics.totals(this.#core),
      hashes: registry.hashes,
      agreements: proof?.agreements ?? 0,
      held: {
        strangers: table.strangers.size,
        routes: table.routes,
        indices: table.indices.size,
        deadlines: deadlines.size,
        searches: searches.waiting,
        sessions: proof?.sessions.size ?? 0,
      },
    };
  }

  #begin(now: Millis): void {
    this.#now = now;
    expire(this.#core, now);
  }
}

export interface WireguardStats {
  readonly clients: number;
  readonly drops: Counter<DropReason>;
  /** What went without a flow. */
  readonly relayed: { readonly packets: number; readonly bytes: number };
  /** Of all runs that a snapshot joins. */
  readonly totals: Totals;
  /** Computed to tell whom messages are for. */
  readonly hashes: number;
  /** Operations on the curve, for proofs. */
  readonly agreements: number;
  /** What is in memory, for leak checks. */
  readonly held: {
    readonly strangers: number;
    readonly routes: number;
    readonly indices: number;
    readonly deadlines: number;
    readonly searches: number;
    readonly sessions: number;
  };
}
