import { type Endpoint, endpointKey } from '../../net/endpoint.ts';
import type { IdSource, SocketId } from '../../net/ids.ts';
import type { RandomBytes } from '../../net/random.ts';
import type { Millis } from '../../net/time.ts';
import type { BlockList } from '../block-list.ts';
import { Counter } from '../counters.ts';
import { Deadlines } from '../deadlines.ts';
import { Changes } from '../kept.ts';
import { type BudgetOptions, SourceBudget } from '../limiter.ts';
import { OrderQueue } from '../orders.ts';
import { RelayedCounts } from '../relayed-counts.ts';
import type { ServiceEvent } from '../service.ts';
import { UniformSource } from '../uniform.ts';
import type { FlowReader } from '../usage.ts';
import type { WireguardConfig } from './config.ts';
import { CookieJar } from './cookie-jar.ts';
import { Proof, type ProofSession } from './proof.ts';
import type { ProvenEndpoint } from './proven.ts';
import type { DropReason } from './reasons.ts';
import { type RegisteredKey, Registry } from './registry.ts';
import type { Remote, Route } from './remote.ts';
import { Searches } from './search.ts';
import { Statistics } from './statistics.ts';
import { Table } from './table.ts';
import { WorkBudget } from './work-budget.ts';

export interface WireguardFlows extends FlowReader {
  /** Over all flows of this service, also those that are gone. */
  total(): { readonly packets: number; readonly bytes: number };
}

export interface CoreParts {
  readonly config: WireguardConfig;
  readonly ids: IdSource;
  readonly random: RandomBytes;
  readonly flows: WireguardFlows;
  readonly blocks: BlockList;
}

/** What every handler works on: the state of one relay and what its configuration made of it. */
export class Core {
  config: WireguardConfig;
  /** Nobody new is taken. */
  draining = false;
  readonly ids: IdSource;
  readonly random: RandomBytes;
  readonly uniform: UniformSource;
  readonly flows: WireguardFlows;
  readonly blocks: BlockList;
  readonly registry: Registry;
  searches: Searches;
  readonly proof: Proof | undefined;
  readonly cookies: CookieJar;
  initiationBudget: SourceBudget;
  unaskedBudget: SourceBudget;
  searchBudget: SourceBudget;
  /** Hashes with the keys that a source last spoke to; those that told whom a message is for are given back. */
  recalls: WorkBudget;
  readonly orders = new OrderQueue();
  readonly table = new Table();
  readonly deadlines = new Deadlines<Remote | Route | ProofSession | ProvenEndpoint>();
  /** Where the listeners are bound, which flows must name. */
  readonly listeners = new Map<SocketId, Endpoint>();
  readonly drops = new Counter<DropReason>();
  /** For what is kept over a restart. */
  readonly changes = new Changes<Remote | RegisteredKey>();
  readonly relayed = new RelayedCounts();
  readonly statistics = new Statistics();
  readonly #own: ReadonlySet<string>;

  constructor({ config, ids, random, flows, blocks }: CoreParts) {
    this.config = config;
    this.ids = ids;
    this.random = random;
    this.uniform = new UniformSource(random);
    this.flows = flows;
    this.blocks = blocks;
    this.#own = new Set(config.ownEndpoints.map(endpointKey));
    this.registry = new Registry(config.peers);
    this.searches = new Searches(config.hashesPerSecond);
    this.proof = config.proof && new Proof(config.proof, config.hashesPerSecond, random);
    this.cookies = new CookieJar(random);
    this.initiationBudget = new SourceBudget(config.initiations, random);
    this.unaskedBudget = new SourceBudget(config.unasked, random);
    this.searchBudget = new SourceBudget(config.searches, random);
    this.recalls = makeRecalls(config, random);
  }

  /** A packet that says it comes from ourselves is forged, and an answer would go round in circles. */
  isOwn(from: Endpoint): boolean {
    return this.#own.has(endpointKey(from));
  }

  drop(reason: DropReason): undefined {
    this.drops.add(reason);
  }

  event(level: ServiceEvent['level'], name: string, fields: ServiceEvent['fields']): void {
    this.orders.add({ type: 'event', event: { level, name, fields } });
  }

  /** Passes a packet on by our own hand. */
  send(to: Remote, packet: Uint8Array): undefined {
    this.orders.add({ type: 'send', from: to.socket, to: to.endpoint, packet });
    this.relayed.add('to_peer', packet.length);
    to.received.noteReceived(packet.length);
  }

  /** A packet of that remote was good for something: its record has it. */
  note({ client }: Remote, packet: Uint8Array, now: Millis): void {
    if (client === undefined) return;
    client.lastSeen = now;
    client.packets++;
    client.bytes += packet.length;
  }
}

export function makeRecalls({ hashesPerSecond }: WireguardConfig, random: RandomBytes): WorkBudget {
  return new WorkBudget(RECALLS, hashesPerSecond, random);
}

/** Garbage in the name of a known source uses these up: then what the source itself sends takes its chance among it. */
const RECALLS: BudgetOptions = { perAddress: 2000, perPrefix: 4000, burstSeconds: 2, maxSources: 16_384 };
