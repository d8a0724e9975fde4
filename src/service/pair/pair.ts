import type { Direction } from '../../flow/flow.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import type { FlowId, IdSource, SocketId } from '../../net/ids.ts';
import type { RandomBytes } from '../../net/random.ts';
import type { Millis } from '../../net/time.ts';
import type { ClientRecord } from '../client-record.ts';
import { type Common, standalone } from '../common.ts';
import type { Counter } from '../counters.ts';
import type { KeptEntry, Restorable } from '../kept.ts';
import { SourceBudget } from '../limiter.ts';
import type { Drainable, Managed, Order, Service } from '../service.ts';
import { recordClients } from './clients.ts';
import { closeChannel } from './closing.ts';
import type { PairConfig } from './config.ts';
import { Core } from './core.ts';
import { renewFlows } from './flows.ts';
import { forward } from './forwarding.ts';
import { handleHandshake, isForeignHandshake } from './handshakes.ts';
import type { DropReason } from './reasons.ts';
import { entriesOf, restoreSnapshot, type Snapshot, snapshotOf, takeSnapshot } from './snapshot.ts';
import { expire, noteSilence } from './timers.ts';

/**
 * The pair relay as a state machine. Two clients that know one GUID and the key send a handshake each; from the second on, whatever comes
 * from one address goes unchanged to the other.
 *
 *     ─▶ half ──(another address)──▶ pair ──(a seat fell silent, a newcomer)──▶ pair
 *          └──────── idle ─────────────┴──────────── idle ────────────────────▶ closed
 *
 * Data takes flows. A flow that idles out says that its client fell silent; the next packet of that client installs it anew.
 */
export class PairService implements Service, Drainable, Managed, Restorable {
  readonly name = 'pair';
  readonly #core: Core;

  constructor(config: PairConfig, ids: IdSource, random: RandomBytes, common: Common = standalone(random)) {
    this.#core = new Core(config, ids, random, common);
  }

  /** Must be called for every listener before its first datagram: flows and snapshots name where it is bound. */
  addListener(socket: SocketId, local: Endpoint): void {
    this.#core.listeners.set(socket, local);
  }

  /** The rule that keeps v0.8.2's behaviour: all of who sits at a pair goes on, but good handshakes of another one. */
  handleDatagram(at: SocketId, from: Endpoint, packet: Uint8Array, now: Millis): undefined {
    const core = this.#core;
    expire(core, now);
    if (!core.listeners.has(at)) return core.drop('unknown-socket');
    if (core.blocks.refuses(from, now)) return core.drop('blocked');
    const place = core.table.find(at, from);
    const seated = place?.channel.second === undefined ? undefined : place;
    if (seated === undefined || isForeignHandshake(seated, packet)) {
      const fault = handleHandshake(core, at, from, packet, now, seated !== undefined);
      if (fault === undefined) return;
      if (seated === undefined) return core.drop(fault);
    }
    return forward(core, seated.channel, seated.seat, packet, now);
  }

  handleFlowIdle(flow: FlowId, now: Millis): void {
    expire(this.#core, now);
    noteSilence(this.#core, flow, now);
  }

  handleTimeout(now: Millis): void {
    expire(this.#core, now);
  }

  /** No ports of its own and no streams. */
  handlePortOpened(): void {}
  handleStreamOpened(): void {}
  handleStreamData(): void {}
  handleStreamClosed(): void {}

  pollOutput(): Order | undefined {
    return this.#core.orders.take();
  }

  pollTimeout(): Millis | undefined {
    return this.#core.deadlines.next();
  }

  /** Whether the address sits at a pair, so that whatever it sends is data of ours. */
  owns(at: SocketId, from: Endpoint): boolean {
    return this.#core.table.find(at, from)?.channel.second !== undefined;
  }

  /** Halves go at once, since they can no longer become pairs. */
  drain(now: Millis): void {
    const core = this.#core;
    expire(core, now);
    core.draining = true;
    const halves = [...core.table.all()].filter(({ second }) => second === undefined);
    for (const half of halves) closeChannel(core, half, 'draining');
  }

  resume(now: Millis): void {
    expire(this.#core, now);
    this.#core.draining = false;
  }

  get clientsLeft(): number {
    return this.#core.table.seats;
  }

  /** Takes effect for what comes, a quota of bytes for what is there too; drain pollOutput() afterwards. */
  updateConfig(config: PairConfig, now: Millis): void {
    expire(this.#core, now);
    const before = this.#core.config;
    this.#core.config = config;
    if (before.quota.bytesPerSecond !== config.quota.bytesPerSecond) renewFlows(this.#core);
    this.#core.budget = new SourceBudget(config.handshakeBudget, this.#core.random);
  }

  /** The block list has changed: pairs of who is on it now end. Drain pollOutput() afterwards. */
  applyBlocks(now: Millis): void {
    const core = this.#core;
    expire(core, now);
    for (const channel of core.table.all()) {
      if (channel.seats().some(({ endpoint }) => core.blocks.isBlocked(endpoint, now))) {
        closeChannel(core, channel, 'blocked');
      }
    }
  }

  /** One record for each seat, for people. */
  clients(): Iterable<ClientRecord> {
    return recordClients(this.#core);
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
    return entriesOf(this.#core, [...table.all()]);
  }

  keptChanges(): Iterable<KeptEntry> | undefined {
    const channels = this.#core.changes.take();
    return channels && entriesOf(this.#core, channels);
  }

  restoreEntries(values: readonly object[], now: Millis): void {
    restoreSnapshot(this.#core, snapshotOf(values), now);
  }

  get leftOut(): number {
    return this.#core.drops.get('restore-failed');
  }

  stats(): PairStats {
    const { table, drops, relayed, deadlines } = this.#core;
    return {
      open: table.open,
      halfOpen: table.channels - table.open,
      clients: table.seats,
      drops,
      relayed: relayed.read(),
      held: { entries: table.entries, deadlines: deadlines.size },
    };
  }
}

export interface PairStats {
  readonly open: number;
  readonly halfOpen: number;
  /** Addresses that have a seat. */
  readonly clients: number;
  readonly drops: Counter<DropReason>;
  /** On the slow path, without what flows carry. */
  readonly relayed: Readonly<Record<Direction, { readonly packets: number; readonly bytes: number }>>;
  /** What is in memory, for leak checks: map entries and set deadlines. */
  readonly held: { readonly entries: number; readonly deadlines: number };
}
