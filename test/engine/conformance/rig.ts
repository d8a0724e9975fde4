import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Engine, EngineSink } from '../../../src/engine/engine.ts';
import type { Flow, ServiceName } from '../../../src/flow/flow.ts';
import type { Family } from '../../../src/net/address.ts';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import { type FlowId, IdSource, type SocketId, type StreamId } from '../../../src/net/ids.ts';
import type { OpenResult } from '../../../src/net/open-result.ts';
import type { StandingPair, StandingRefusal } from '../../../src/net/standing.ts';
import type { ConnectResult, StreamEnd } from '../../../src/net/stream-target.ts';
import type { Millis } from '../../../src/net/time.ts';
import { afterwards } from '../../afterwards.ts';
import { exampleFlow, type FlowParts } from '../../flow/example.ts';
import { PATIENCE_MILLIS } from '../../patience.ts';
import { Peer } from './peer.ts';

/** What an engine under test is made from. It reads the time from `clock` and looks for idle flows at least every 50 ms of real time. */
export interface EngineParts {
  readonly sink: EngineSink;
  readonly ids: IdSource;
  readonly clock: () => Millis;
}

/** Why this engine, or this machine, cannot run a part of the suite. Each reason is shown with what it skips. */
export type Skips = Readonly<Partial<Record<Feature, string | false>>>;
export type Feature = 'all' | 'ipv6' | 'streams' | 'tls' | 'clock';

export interface ConformanceOptions {
  readonly name: string;
  readonly create: (parts: EngineParts) => Engine | Promise<Engine>;
  /** Tells an engine whose threads cannot ask `clock` that the time has changed. */
  readonly tick?: (engine: Engine) => void;
  readonly skips: Skips;
  /** Where sockets of the engine and of peers are; default: loopback. */
  readonly network?: Network;
}

export interface Network {
  engine(family: Family): string;
  peer(family: Family): string;
  /** Opens a peer's socket there, where it must be bound before this returns. */
  atPeer<T>(open: () => T): T;
  /** The network namespace of the peers, where it is another than ours. */
  readonly peerNamespace?: string;
}

/** A socket of the engine: its id and where it is bound. */
export interface Bound {
  readonly id: SocketId;
  readonly local: Endpoint;
}

/** An engine with everything that its sink was told, and peers that end with the test. */
export class Rig {
  readonly ids: IdSource;
  readonly datagrams: { at: SocketId; from: Endpoint; packet: Buffer }[] = [];
  readonly opened = new Map<SocketId, OpenResult>();
  readonly idle: { flow: FlowId; service: ServiceName }[] = [];
  /** What each carried, as asked for while it was reported. */
  readonly carriedByIdle: (number | undefined)[] = [];
  readonly streams: { stream: StreamId; at: SocketId; from: Endpoint }[] = [];
  readonly streamBytes = new Map<StreamId, Buffer>();
  readonly closedStreams: StreamId[] = [];
  readonly ends = new Map<StreamId, StreamEnd>();
  readonly connected = new Map<StreamId, ConnectResult>();
  readonly refused = new Map<StreamId, StandingRefusal>();
  readonly pairs: StandingPair[] = [];
  readonly totals = { connections: 0, toUpstream: 0, toClient: 0 };
  /** For tests that decide at once, as a service does. */
  onStream: (stream: StreamId) => void = () => {};
  #now: Millis = 1_700_000_000_000;
  readonly #tick: ((engine: Engine) => void) | undefined;
  readonly #network: Network;
  #engine: Engine | undefined;

  static async start(t: TestContext, options: ConformanceOptions): Promise<Rig> {
    const rig = new Rig(options);
    const engine = await options.create({ sink: rig.#sink(), ids: rig.ids, clock: () => rig.now });
    rig.#engine = engine;
    afterwards(t, () => engine.close());
    return rig;
  }

  private constructor({ tick, network = LOOPBACK }: ConformanceOptions) {
    this.#network = network;
    this.ids = new IdSource();
    this.#tick = tick;
  }

  get now(): Millis {
    return this.#now;
  }

  set now(time: Millis) {
    this.#now = time;
    this.#tick?.(this.engine);
  }

  get engine(): Engine {
    assert.ok(this.#engine);
    return this.#engine;
  }

  async listenUdp(family: Family = 4, local = this.here(family)): Promise<Bound> {
    const id = this.ids.socket();
    const result = await this.engine.listen(id, { transport: 'udp', local });
    assert.ok(result.ok, JSON.stringify(result));
    return { id, local: result.local };
  }

  async openPort(family: Family = 4): Promise<Bound> {
    const result = await this.tryPort(this.here(family));
    assert.ok(result.ok, JSON.stringify(result));
    return { id: result.id, local: result.local };
  }

  async tryPort(local: Endpoint): Promise<OpenResult & { id: SocketId }> {
    const id = this.ids.socket();
    this.engine.openPort(id, local);
    assert.equal(this.opened.has(id), false, 'the answer never comes from inside the call');
    await until(() => this.opened.has(id), 'the answer to openPort');
    const result = this.opened.get(id);
    assert.ok(result);
    return { ...result, id };
  }

  /** A UDP socket of the test's own. */
  async peer(t: TestContext, family: Family = 4): Promise<Peer> {
    const peer = await Peer.open(family, this.#network);
    afterwards(t, () => peer.close());
    return peer;
  }

  /** Installs a flow from `from` arriving `at`, out `via` and on to `to`. */
  flow(at: Bound, from: Endpoint, via: Bound, to: Endpoint, parts: FlowParts = {}): Flow {
    const flow = exampleFlow({ ...parts, id: this.ids.flow(), at: at.id, remote: from, via: via.id, to });
    const placed: Flow = {
      ...flow,
      match: { ...flow.match, local: at.local },
      rewrite: { ...flow.rewrite, local: via.local },
    };
    this.engine.addFlow(placed);
    return placed;
  }

  /** Where sockets of the engine are bound, at any port. */
  here(family: Family): Endpoint {
    return { family, address: this.#network.engine(family), port: 0 };
  }

  /** Waits for the next miss. */
  async miss(): Promise<{ at: SocketId; from: Endpoint; packet: Buffer }> {
    await until(() => this.datagrams.length > 0, 'a miss');
    const miss = this.datagrams.shift();
    assert.ok(miss);
    return miss;
  }

  async dropped(owner: ServiceName | 'engine', reason: string, count: number): Promise<void> {
    await until(() => this.drops(owner, reason) >= count, `${count} drops as ${owner}/${reason}`);
    assert.equal(this.drops(owner, reason), count);
  }

  drops(owner: ServiceName | 'engine', reason: string): number {
    return this.engine.stats().drops.get(owner)?.get(reason) ?? 0;
  }

  #sink(): EngineSink {
    return {
      datagram: (at, from, packet) => this.datagrams.push({ at, from, packet: Buffer.from(packet) }),
      portOpened: (socket, result) => this.opened.set(socket, result),
      flowIdle: (flow, service) => {
        this.idle.push({ flow, service });
        this.carriedByIdle.push(this.engine.flowCounters(flow)?.packets);
      },
      streamOpened: (stream, at, from, _local, refused) => {
        this.streams.push({ stream, at, from });
        if (refused !== undefined) this.refused.set(stream, refused);
        this.onStream(stream);
      },
      streamData: (stream, chunk) => {
        this.streamBytes.set(stream, Buffer.concat([this.streamBytes.get(stream) ?? Buffer.alloc(0), chunk]));
      },
      streamClosed: (stream, end) => {
        this.closedStreams.push(stream);
        this.ends.set(stream, end);
      },
      standingPair: (pair) => this.pairs.push(pair),
      standingTotals: (_at, totals) => {
        for (const what of ['connections', 'toUpstream', 'toClient'] as const) this.totals[what] += totals[what];
      },
      streamConnected: (stream, result) => this.connected.set(stream, result),
    };
  }
}

export const LOOPBACK: Network = {
  engine: (family) => loopback(family).address,
  peer: (family) => loopback(family).address,
  atPeer: (open) => open(),
};

export function loopback(family: Family, port = 0): Endpoint {
  return { family, address: family === 4 ? '127.0.0.1' : '::1', port };
}

/** Waits for something that other parties bring about. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MILLIS;
  while (!condition()) {
    if (performance.now() > deadline) assert.fail(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
