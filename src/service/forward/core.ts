import { EndpointMap } from '../../flow/endpoint-map.ts';
import type { FlowId, IdSource, SocketId, StreamId } from '../../net/ids.ts';
import type { RandomBytes } from '../../net/random.ts';
import type { Millis } from '../../net/time.ts';
import type { BlockList } from '../block-list.ts';
import type { Common } from '../common.ts';
import { Counter } from '../counters.ts';
import { Deadlines } from '../deadlines.ts';
import { Changes } from '../kept.ts';
import { OrderQueue } from '../orders.ts';
import { RelayedCounts } from '../relayed-counts.ts';
import type { ServiceEvent } from '../service.ts';
import type { Connection } from './connection.ts';
import type { Forward, Listener } from './forward.ts';
import type { Name } from './names.ts';
import type { DropReason } from './reasons.ts';
import type { Session } from './session.ts';
import type { Target } from './upstreams.ts';

/** What every handler works on: the state of the forward service. */
export class Core {
  /** Nobody new is served. */
  draining = false;
  /** Who is there may stay while it drains, however long. */
  endless = false;
  readonly blocks: BlockList;
  /** What flows and streams carried, and where to. */
  readonly carried: Pick<Common, 'flows' | 'streamBytes' | 'askedAddress'>;
  readonly ids: IdSource;
  /** For seeds of tables that strangers fill. */
  readonly random: RandomBytes;
  readonly orders = new OrderQueue();
  readonly deadlines = new Deadlines<Connection | Name | Target | Forward>();
  readonly forwards = new Map<string, Forward>();
  readonly names = new Map<string, Name>();
  readonly listeners = new Map<SocketId, Listener>();
  /** Those at which the engine does not ask. */
  readonly standing = new Set<Listener>();
  readonly connections = new Set<Connection>();
  /** Both streams of a connection. */
  readonly streams = new Map<StreamId, Connection>();
  /** Streams of health checks. */
  readonly checks = new Map<StreamId, Target>();
  /** Ports of sessions and of health checks. */
  readonly ports = new Map<SocketId, Session | Target>();
  readonly flows = new Map<FlowId, Session>();
  readonly drops = new Counter<DropReason>();
  /** For what is kept over a restart. */
  readonly changes = new Changes<Session>();
  /** Bytes of datagrams that wait for the ports of their sessions. */
  waiting = 0;
  /** When the log last said that a port could not be bound. */
  portFailureToldAt: Millis = 0;
  /** Datagrams that no flow carried. */
  readonly relayed = new RelayedCounts();
  readonly #sessions = new Map<SocketId, EndpointMap<Session>>();

  constructor(ids: IdSource, random: RandomBytes, common: Common) {
    this.blocks = common.blocks;
    this.carried = common;
    this.ids = ids;
    this.random = random;
  }

  /** The sessions of a listener, by client. */
  sessionsAt(listener: SocketId): EndpointMap<Session> {
    let sessions = this.#sessions.get(listener);
    if (sessions === undefined) {
      sessions = new EndpointMap();
      this.#sessions.set(listener, sessions);
    }
    return sessions;
  }

  forgetListener(listener: SocketId): void {
    this.listeners.delete(listener);
    this.#sessions.delete(listener);
  }

  /** A name of the forward has had no answer yet. */
  isResolving({ upstreams }: Forward): boolean {
    return upstreams.some(({ rule }) => rule.kind === 'name' && this.names.get(rule.name)?.failing === undefined);
  }

  drop(reason: DropReason): undefined {
    this.drops.add(reason);
  }

  event(level: ServiceEvent['level'], name: string, fields: ServiceEvent['fields']): void {
    this.orders.add({ type: 'event', event: { level, name, fields } });
  }
}
