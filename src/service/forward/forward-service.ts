import type { Direction } from '../../flow/flow.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import type { FlowId, IdSource, SocketId, StreamId } from '../../net/ids.ts';
import type { OpenResult } from '../../net/open-result.ts';
import type { RandomBytes } from '../../net/random.ts';
import type { Resolution } from '../../net/resolution.ts';
import type { StandingPair, StandingRefusal, StandingTotals } from '../../net/standing.ts';
import type { ConnectResult, StreamEnd } from '../../net/stream-target.ts';
import type { Millis } from '../../net/time.ts';
import type { ClientRecord } from '../client-record.ts';
import { type Common, standalone } from '../common.ts';
import type { Counter } from '../counters.ts';
import type { KeptEntry, Restorable } from '../kept.ts';
import type { Drainable, Managed, Order, Service } from '../service.ts';
import { applyBlocks, recordClients } from './clients.ts';
import type { ForwardConfig } from './config.ts';
import { Connection } from './connection.ts';
import { handleConnected, handleConnectionDue, handleEnded, handleRead, openConnection } from './connections.ts';
import { Core } from './core.ts';
import { clientsLeft, cutAll, drain, resume } from './draining.ts';
import { Forward, type ForwardCounts, type Listener } from './forward.ts';
import { handleCheckConnected, handleCheckDue, handleCheckPort, handleCheckReply } from './health.ts';
import { entriesOf, restoreSessions } from './kept.ts';
import { ask, handleResolved, Name } from './names.ts';
import type { DropReason } from './reasons.ts';
import { reconfigure } from './reconfigure.ts';
import { Session } from './session.ts';
import { endSessions, handleFromClient, handleFromUpstream, handleSessionIdle, handleSessionPort } from './sessions.ts';
import { handlePair, handleTotals, reconsider, reconsiderAll, stand } from './standing.ts';
import { describeUpstream, type UpstreamState } from './upstream-state.ts';

/**
 * Port forwarding as a state machine: an incoming port goes to one of several upstreams, bytes unchanged.
 *
 * TCP: a client's stream is held, an upstream is connected to, and the engine joins the two. UDP: each client becomes a session with a port of
 * its own and a pair of flows. So what is moved never comes through here. Names are asked for again at their TTL; health checks,
 * failover and balancing choose among the addresses; what has begun stays where it is.
 */
export class ForwardService implements Service, Drainable, Managed, Restorable {
  readonly name = 'forward';
  readonly #core: Core;

  /** Rules come by updateConfig(), so that their first orders are done as all others are. */
  constructor(ids: IdSource, random: RandomBytes, common: Common = standalone(random)) {
    this.#core = new Core(ids, random, common);
  }

  /** Must be called for every listener before its first client. `offset`: how many ports above the first of its range. */
  addListener(socket: SocketId, rule: string, local: Endpoint, offset: number): void {
    const forward = this.#core.forwards.get(rule);
    if (forward === undefined) throw new RangeError(`no forward is called ${rule}`);
    const listener: Listener = { socket, forward, local, offset, standing: undefined };
    this.#core.listeners.set(socket, listener);
    forward.listeners.add(listener);
  }

  /** Its sessions end, whose way back it is; its connections go on, and who came before may still be heard of. */
  closeListener(socket: SocketId): void {
    const listener = this.#core.listeners.get(socket);
    if (listener === undefined) return;
    endSessions(this.#core, listener.forward, (session) => session.listener === listener);
    listener.forward.listeners.delete(listener);
    this.#core.standing.delete(listener);
  }

  /** Nobody will be heard of who came there. */
  removeListener(socket: SocketId): void {
    this.closeListener(socket);
    this.#core.forgetListener(socket);
  }

  handleDatagram(at: SocketId, from: Endpoint, packet: Uint8Array, now: Millis): undefined {
    const core = this.#core;
    this.#expire(now);
    const listener = core.listeners.get(at);
    if (listener !== undefined && core.blocks.refuses(from, now)) return core.drop('blocked');
    if (listener !== undefined) return handleFromClient(core, listener, from, packet, now);
    const user = core.ports.get(at);
    if (user instanceof Session) return handleFromUpstream(core, user, from, packet);
    if (user === undefined) return core.drop('unknown-socket');
    handleCheckReply(core, user, from, packet, now);
  }

  handlePortOpened(socket: SocketId, result: OpenResult, now: Millis): void {
    this.#expire(now);
    const user = this.#core.ports.get(socket);
    if (user instanceof Session) handleSessionPort(this.#core, user, result, now);
    else if (user !== undefined) handleCheckPort(this.#core, user, result, now);
  }

  handleFlowIdle(flow: FlowId, now: Millis): void {
    this.#expire(now);
    const session = this.#core.flows.get(flow);
    if (session !== undefined) handleSessionIdle(this.#core, session, flow);
  }

  handleStreamOpened(
    stream: StreamId,
    at: SocketId,
    from: Endpoint,
    now: Millis,
    local: Endpoint,
    refused?: StandingRefusal,
  ): void {
    this.#expire(now);
    const listener = this.#core.listeners.get(at);
    if (listener === undefined) {
      this.#core.orders.add({ type: 'closeStream', stream });
      return;
    }
    openConnection(this.#core, stream, listener, from, local, now, refused);
    reconsider(this.#core, listener.forward, now);
    if (listener.forward.listeners.has(listener)) stand(this.#core, listener, now);
  }

  handleStandingPair(pair: StandingPair, now: Millis): void {
    this.#expire(now);
    handlePair(this.#core, pair, now);
  }

  handleStandingTotals(at: SocketId, totals: StandingTotals, now: Millis): void {
    this.#expire(now);
    handleTotals(this.#core, at, totals);
  }

  handleStreamConnected(stream: StreamId, result: ConnectResult, now: Millis): void {
    this.#expire(now);
    const target = this.#core.checks.get(stream);
    const connection = this.#core.streams.get(stream);
    if (target !== undefined) {
      const { up } = target;
      handleCheckConnected(this.#core, target, result, now);
      if (target.up !== up) reconsiderAll(this.#core, now);
    } else if (connection !== undefined) {
      handleConnected(this.#core, connection, result, now);
      if (!result.ok) reconsider(this.#core, connection.listener.forward, now);
    }
  }

  handleStreamData(stream: StreamId, chunk: Uint8Array, now: Millis): void {
    this.#expire(now);
    const connection = this.#core.streams.get(stream);
    if (connection !== undefined) handleRead(this.#core, connection, chunk, now);
  }

  handleStreamClosed(stream: StreamId, now: Millis, end: StreamEnd): void {
    this.#expire(now);
    const connection = this.#core.streams.get(stream);
    if (connection !== undefined) handleEnded(this.#core, connection, stream, end);
  }

  handleResolved(name: string, resolution: Resolution, now: Millis): void {
    this.#expire(now);
    handleResolved(this.#core, name, resolution, now);
    reconsiderAll(this.#core, now);
  }

  handleTimeout(now: Millis): void {
    this.#expire(now);
  }

  pollOutput(): Order | undefined {
    return this.#core.orders.take();
  }

  pollTimeout(): Millis | undefined {
    return this.#core.deadlines.next();
  }

  /** Takes effect at once; drain pollOutput() afterwards. Listeners of rules that went are the caller's to remove, before. */
  updateConfig(config: ForwardConfig, now: Millis): void {
    this.#expire(now);
    reconfigure(this.#core, config, now);
    reconsiderAll(this.#core, now);
  }

  /** The block list has changed: connections and sessions of who is on it now end. Drain pollOutput() afterwards. */
  applyBlocks(now: Millis): void {
    this.#expire(now);
    applyBlocks(this.#core, now);
    reconsiderAll(this.#core, now);
  }

  /** One record for each connection and session, for people. */
  clients(): Iterable<ClientRecord> {
    return recordClients(this.#core);
  }

  /** From now on nobody new is served; who is there may stay as long as his forward says. */
  drain(now: Millis, patience?: 'endless'): void {
    drain(this.#core, now, patience);
    reconsiderAll(this.#core, now);
    this.#expire(now);
  }

  resume(now: Millis): void {
    this.#expire(now);
    resume(this.#core);
  }

  /** After a drain has begun, nobody stays longer than this. */
  get longestDrain(): Millis {
    return Math.max(0, ...[...this.#core.forwards.values()].map(({ rule }) => rule.drain));
  }

  get clientsLeft(): number {
    return clientsLeft(this.#core);
  }

  keptEntries(): Iterable<KeptEntry> {
    const { forwards, changes } = this.#core;
    changes.begin();
    return entriesOf(
      this.#core,
      [...forwards.values()].flatMap(({ sessions }) => [...sessions]),
    );
  }

  keptChanges(): Iterable<KeptEntry> | undefined {
    const sessions = this.#core.changes.take();
    return sessions && entriesOf(this.#core, sessions);
  }

  /** After updateConfig() and addListener(). */
  restoreEntries(values: readonly object[], now: Millis): void {
    this.#expire(now);
    restoreSessions(this.#core, values, now);
  }

  get leftOut(): number {
    return this.#core.drops.get('restore-failed');
  }

  stats(): ForwardStats {
    const { forwards, connections, drops, relayed, ports, names, deadlines, streams, flows } = this.#core;
    const states = [...forwards.values()].map(({ rule, upstreams, sessions, counts, down, admission }) => ({
      name: rule.name,
      transport: rule.transport,
      down,
      inUse: admission.total,
      sessions: sessions.size,
      counts: { ...counts },
      upstreams: upstreams.flatMap((upstream) => describeUpstream(this.#core, upstream)),
    }));
    const held = ports.size + names.size + deadlines.size + streams.size + flows.size;
    return { forwards: states, connections: connections.size, drops, relayed: relayed.read(), held };
  }

  /** Ends what is due, before anything else at every door. */
  #expire(now: Millis): void {
    const core = this.#core;
    let due = core.deadlines.takeDue(now);
    let changed = false;
    for (; due !== undefined; due = core.deadlines.takeDue(now)) {
      if (due instanceof Connection) handleConnectionDue(core, due);
      else if (due instanceof Name) ask(core, due, now);
      else if (due instanceof Forward) cutAll(core, due);
      else {
        const { up } = due;
        handleCheckDue(core, due, now);
        changed ||= due.up !== up;
      }
    }
    if (changed) reconsiderAll(core, now);
  }
}

export interface ForwardStats {
  readonly forwards: readonly ForwardState[];
  /** Of TCP, those of forwards that are gone included. */
  readonly connections: number;
  readonly drops: Counter<DropReason>;
  /** Datagrams without a flow. */
  readonly relayed: Readonly<Record<Direction, { readonly packets: number; readonly bytes: number }>>;
  /** Ports, names, deadlines, streams and flows in memory, for leak checks. */
  readonly held: number;
}

export interface ForwardState {
  readonly name: string;
  readonly transport: 'stream' | 'dgram';
  /** No upstream can be used. */
  readonly down: boolean;
  /** Connections and sessions. */
  readonly inUse: number;
  readonly sessions: number;
  readonly counts: ForwardCounts;
  /** Each address of each; a name without any counts as one that is down. */
  readonly upstreams: readonly UpstreamState[];
}
