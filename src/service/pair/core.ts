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
import type { Channel } from './channel.ts';
import type { PairConfig } from './config.ts';
import type { DropReason } from './reasons.ts';
import { Table } from './table.ts';

/** What every handler works on: the state of one pair relay and what its configuration made of it. */
export class Core {
  config: PairConfig;
  budget: SourceBudget;
  readonly blocks: BlockList;
  readonly flows: FlowReader;
  /** No new pairs; those that are there go on. */
  draining = false;
  readonly ids: IdSource;
  readonly random: RandomBytes;
  readonly orders = new OrderQueue();
  readonly table = new Table();
  readonly deadlines = new Deadlines<Channel>();
  /** Where the listeners are bound, which flows must name. */
  readonly listeners = new Map<SocketId, Endpoint>();
  readonly drops = new Counter<DropReason>();
  /** For what is kept over a restart. */
  readonly changes = new Changes<Channel>();
  readonly relayed = new RelayedCounts();

  constructor(config: PairConfig, ids: IdSource, random: RandomBytes, { blocks, flows }: Common) {
    this.config = config;
    this.blocks = blocks;
    this.flows = flows;
    this.ids = ids;
    this.random = random;
    this.budget = new SourceBudget(config.handshakeBudget, random);
  }

  drop(reason: DropReason): undefined {
    this.drops.add(reason);
  }

  event(level: ServiceEvent['level'], name: string, fields: ServiceEvent['fields']): void {
    this.orders.add({ type: 'event', event: { level, name, fields } });
  }

  /** How long a flow goes without a packet before the engine says so: as soon as silence matters to us. */
  get flowIdle(): Millis {
    const { idle, rebind } = this.config;
    return Math.min(idle, rebind.after);
  }

  /** Takes what a MAC over `bytes` costs; false, and a strike, when the source has used up its share. */
  mayTry(from: Endpoint, bytes: number, now: Millis): boolean {
    if (this.budget.take(from, cost(bytes), now)) return true;
    this.blocks.strike(from, now);
    return false;
  }

  /** The MAC was right: budgets hold down who does not know the key. */
  giveBack(from: Endpoint, bytes: number, now: Millis): void {
    this.budget.give(from, cost(bytes), now);
  }
}

function cost(bytes: number): number {
  return Math.ceil(bytes / 1024);
}
