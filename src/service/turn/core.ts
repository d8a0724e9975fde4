import type { Family } from '../../net/address.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import type { IdSource, SocketId } from '../../net/ids.ts';
import type { RandomBytes } from '../../net/random.ts';
import type { Millis } from '../../net/time.ts';
import type { BlockList } from '../block-list.ts';
import type { Common } from '../common.ts';
import { Counter } from '../counters.ts';
import { Deadlines } from '../deadlines.ts';
import { Changes } from '../kept.ts';
import { SourceBudget } from '../limiter.ts';
import { OrderQueue } from '../orders.ts';
import { RelayedCounts } from '../relayed-counts.ts';
import type { ServiceEvent } from '../service.ts';
import type { FlowReader } from '../usage.ts';
import type { Allocation, Reservation } from './allocation.ts';
import { Authenticator } from './auth.ts';
import { type Client, StreamClient } from './client.ts';
import type { TurnConfig } from './config.ts';
import { ResponseCounts } from './counts.ts';
import { PeerFilter } from './peer-filter.ts';
import { PortPool } from './port-pool.ts';
import type { DropReason } from './reasons.ts';
import { Table } from './table.ts';

/** What every handler works on: the state of one TURN service and what its configuration made of it. */
export class Core {
  config: TurnConfig;
  authenticator: Authenticator;
  filter: PeerFilter;
  budgets: Budgets;
  pools: Pools;
  /** Allocations whose ports are being bound. */
  openings = 0;
  /** No new allocations; those that are there go on. */
  draining = false;
  /** When the log last said that a port could not be bound. */
  portFailureToldAt: Millis = 0;
  readonly blocks: BlockList;
  readonly flows: FlowReader;
  readonly ids: IdSource;
  readonly random: RandomBytes;
  readonly orders = new OrderQueue();
  readonly table = new Table();
  readonly deadlines = new Deadlines<Allocation | Reservation | StreamClient>();
  /** Where the UDP listeners are bound, which flows must name. */
  readonly listeners = new Map<SocketId, Endpoint>();
  /** Where the stream listeners are bound: for people only. */
  readonly streamListeners = new Map<SocketId, Endpoint>();
  readonly drops = new Counter<DropReason>();
  /** For what is kept over a restart. */
  readonly changes = new Changes<Allocation | Reservation>();
  readonly responses = new ResponseCounts();
  readonly relayed = new RelayedCounts();

  constructor(config: TurnConfig, ids: IdSource, random: RandomBytes, { blocks, flows }: Common) {
    this.config = config;
    this.blocks = blocks;
    this.flows = flows;
    this.ids = ids;
    this.random = random;
    this.authenticator = new Authenticator(config);
    this.filter = new PeerFilter(config);
    this.budgets = makeBudgets(config, random);
    this.pools = makePools(config, random);
  }

  drop(reason: DropReason): undefined {
    this.drops.add(reason);
  }

  event(level: ServiceEvent['level'], name: string, fields: ServiceEvent['fields']): void {
    this.orders.add({ type: 'event', event: { level, name, fields } });
  }

  /** Whether one more reply may go to someone who showed no credentials; otherwise it is counted. */
  mayReply(client: Client, now: Millis): boolean {
    if (this.#budgetOf(client).take(client.endpoint, 1, now)) return true;
    this.drop('over-budget');
    this.blocks.strike(client.endpoint, now);
    return false;
  }

  /**
   * A valid MAC over our nonce shows that the client got our challenge: it is where it says it is. So the challenge is given back, and
   * one more for the 438 to come: budgets hold down spoofed floods, not a busy NAT or a machine that opens thousands of allocations.
   */
  hasProvenAddress(client: Client, now: Millis): void {
    this.#budgetOf(client).give(client.endpoint, 2, now);
  }

  #budgetOf(client: Client): SourceBudget {
    return client instanceof StreamClient ? this.budgets.stream : this.budgets.datagram;
  }
}

/** Two, because the source of a stream is proven: who forges datagrams in somebody's name must not use up what he has over TCP. */
export interface Budgets {
  readonly datagram: SourceBudget;
  readonly stream: SourceBudget;
}

export function makeBudgets({ unauthenticatedBudget: options }: TurnConfig, random: RandomBytes): Budgets {
  const maxSources = Math.ceil(options.maxSources / 4);
  return {
    datagram: new SourceBudget(options, random),
    // Nobody can make up sources here, so fewer need be remembered.
    stream: new SourceBudget({ ...options, maxSources }, random),
  };
}

/** Of each family that is relayed. */
export type Pools = Readonly<Record<Family, PortPool | undefined>>;

export function makePools({ relay, ports }: TurnConfig, random: RandomBytes): Pools {
  return {
    4: relay.ipv4 && new PortPool(ports.min, ports.max, random),
    6: relay.ipv6 && new PortPool(ports.min, ports.max, random),
  };
}

/** The port may be of a range that the configuration has left behind. */
export function releasePort({ pools, config }: Core, family: Family, port: number): void {
  if (port >= config.ports.min && port <= config.ports.max) pools[family]?.release(port);
}
