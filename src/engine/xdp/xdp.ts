import type { Flow, FlowCounters, ServiceName } from '../../flow/flow.ts';
import { IdleWheel } from '../../flow/idle-wheel.ts';
import { isWildcard } from '../../net/address.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import type { FlowId, SocketId, StreamId } from '../../net/ids.ts';
import type { OpenResult } from '../../net/open-result.ts';
import type { StandingDecision } from '../../net/standing.ts';
import { type Millis, SECOND } from '../../net/time.ts';
import { sourceFor } from '../../sys/udp-socket.ts';
import type {
  ConnectSpec,
  Engine,
  EngineCapabilities,
  EngineSink,
  EngineStats,
  FlowReport,
  JoinSpec,
  ListenSpec,
  TlsMaterial,
} from '../engine.ts';
import { DataPlane, type DataPlaneOptions } from './data-plane.ts';
import { type InstallFailure, type KernelFlow, KernelFlows } from './kernel-flows.ts';
import { KernelPorts } from './kernel-ports.ts';
import { mergeCounters, mergeStats } from './merge.ts';
import { monotonic } from './monotonic.ts';
import type { XdpObstacle } from './obstacle.ts';

export interface XdpOptions extends Omit<DataPlaneOptions, 'log'> {
  readonly sink: EngineSink;
  /** The engine below, which has the sockets and takes whatever the kernel passes up. */
  readonly createInner: (sink: EngineSink) => Engine;
  readonly log: (message: string) => void;
  /** Unix time instead of the system's, for tests: the kernel has it too, as of the last `tick`. */
  readonly clock?: () => Millis;
  /** How often idle flows are looked for, hence how late they may go. Default 1 s. */
  readonly sweepEvery?: Millis;
}

export type XdpResult =
  | { readonly ok: true; readonly engine: XdpEngine }
  | { readonly ok: false; readonly obstacle: XdpObstacle };

/** Where it cannot run the answer says why, and nothing is left behind. */
export function createXdpEngine(options: XdpOptions): XdpResult {
  const opened = DataPlane.open(options);
  return opened.ok ? { ok: true, engine: new XdpEngine(opened.plane, options) } : opened;
}

/**
 * The kernel's program above a userspace engine, not in its place: every flow is in both, so that what the kernel passes up, or never took,
 * goes on by the same rules.
 *
 *    addFlow     below first, then the kernel: no packet finds one without the other
 *    removeFlow  the kernel first, then below
 *
 * The engine below reaps no flow that the kernel may have, because it does not see what the kernel carries: that is done here.
 */
export class XdpEngine implements Engine {
  readonly name = 'xdp';
  readonly capabilities: EngineCapabilities;
  readonly #plane: DataPlane;
  readonly #inner: Engine;
  readonly #sink: EngineSink;
  readonly #options: XdpOptions;
  readonly #clock: () => Millis;
  readonly #monotonic: () => Millis;
  readonly #flows: KernelFlows;
  readonly #ports: KernelPorts;
  readonly #idle: IdleWheel<KernelFlow>;
  /** Ports that were asked for, until they are open: who asks for many has them told apart by their ids. */
  readonly #opening = new Set<SocketId>();
  /** Ports in the name of others. The program knows this machine's addresses alone: their flows are below, where they go idle too. */
  readonly #foreign = new Set<SocketId>();
  readonly #whenOpened: (() => void)[] = [];
  readonly #refused = new Map<InstallFailure, number>();
  readonly #timers: readonly NodeJS.Timeout[];
  #missing = 0;
  #retaken = 0;
  #faulty = false;
  /** While the sink is told of it. */
  #reaped: { readonly id: FlowId; readonly counters: FlowCounters | undefined } | undefined;

  constructor(plane: DataPlane, options: XdpOptions) {
    const { sweepEvery = SECOND } = options;
    this.#plane = plane;
    this.#options = options;
    this.#sink = options.sink;
    this.#clock = options.clock ?? Date.now;
    this.#monotonic = options.clock ?? monotonic;
    this.tick();
    this.#flows = new KernelFlows(plane.maps, {
      now: this.#monotonic,
      forgotten: (entry) => this.#forgotten(entry),
      adopts: plane.adopted,
    });
    this.#ports = new KernelPorts(plane.maps.ports, plane.adopted);
    this.#idle = new IdleWheel(sweepEvery);
    this.#inner = options.createInner(this.#innerSink());
    this.capabilities = this.#inner.capabilities;
    this.#timers = [
      setInterval(() => this.#reap(), sweepEvery).unref(),
      setInterval(() => this.#retry(), sweepEvery).unref(),
      setInterval(() => this.#refresh(), REFRESH_EVERY).unref(),
    ];
  }

  get mode(): string {
    return this.#plane.mode;
  }

  /** Whether flows of an earlier process are in the kernel, which go on until `dropUnknown`. */
  get adopted(): boolean {
    return this.#plane.adopted;
  }

  async listen(socket: SocketId, spec: ListenSpec): Promise<OpenResult> {
    const result = await this.#inner.listen(socket, spec);
    if (result.ok && spec.transport === 'udp' && !spec.transparent) this.#ports.open(socket, result.local, true);
    return result;
  }

  updateTls(socket: SocketId, tls: TlsMaterial): void {
    this.#inner.updateTls(socket, tls);
  }

  openPort(socket: SocketId, local: Endpoint, towards?: Endpoint): void {
    this.#inner.openPort(socket, local, towards);
    this.#opening.add(socket);
    if (towards !== undefined) this.#foreign.add(socket);
  }

  closePort(socket: SocketId): void {
    this.#opened(socket);
    this.#foreign.delete(socket);
    for (const { flow } of this.#flows.ofSocket(socket)) this.#flows.remove(flow.id);
    this.#ports.close(socket);
    this.#inner.closePort(socket);
  }

  stopListening(socket: SocketId): Promise<void> {
    return this.#inner.stopListening(socket);
  }

  send(from: SocketId, to: Endpoint, packet: Uint8Array, dontFragment = false): void {
    this.#inner.send(from, to, packet, dontFragment);
  }

  write(stream: StreamId, packet: Uint8Array, droppable: boolean): void {
    this.#inner.write(stream, packet, droppable);
  }

  closeStream(stream: StreamId): void {
    this.#inner.closeStream(stream);
  }

  connect(stream: StreamId, spec: ConnectSpec): void {
    this.#inner.connect(stream, spec);
  }

  read(stream: StreamId): void {
    this.#inner.read(stream);
  }

  join(a: StreamId, b: StreamId, spec: JoinSpec): void {
    this.#inner.join(a, b, spec);
  }

  stand(listener: SocketId, decision: StandingDecision | undefined, service: ServiceName): void {
    this.#inner.stand?.(listener, decision, service);
  }

  sourceOf(socket: SocketId, remote: Endpoint): string | undefined {
    return this.#inner.sourceOf?.(socket, remote);
  }

  async allTold(): Promise<void> {
    await this.#inner.allTold?.();
  }

  addFlow(flow: Flow): void {
    if (this.#foreign.has(flow.match.socket) || this.#foreign.has(flow.rewrite.socket)) {
      this.#inner.addFlow(flow);
      return;
    }
    this.#inner.addFlow({ ...flow, idle: 0 });
    const failure = this.#flows.add(flow, this.#sourceOf(flow));
    const entry = this.#flows.get(flow.id);
    if (failure === undefined) this.#ports.count(flow, 1);
    else this.#refuse(failure);
    if (entry !== undefined && flow.idle > 0) this.#idle.set(entry, this.#clock() + flow.idle);
  }

  removeFlow(flow: FlowId): FlowCounters | undefined {
    const kernel = this.#flows.remove(flow);
    return mergeCounters(this.#inner.removeFlow(flow), kernel, this.#clock(), this.#monotonic());
  }

  flowCounters(flow: FlowId): FlowCounters | undefined {
    if (flow === this.#reaped?.id) return this.#reaped.counters;
    return this.#merge(this.#inner.flowCounters(flow), flow);
  }

  *flows(): IterableIterator<FlowReport> {
    for (const report of this.#inner.flows()) {
      // The engine below was told that it never reaps.
      const flow = this.#flows.get(report.flow.id)?.flow ?? report.flow;
      yield { ...report, ...this.#merge(report, flow.id), flow };
    }
  }

  streamBytes(stream: StreamId): number | undefined {
    return this.#inner.streamBytes(stream);
  }

  stats(): EngineStats {
    return mergeStats(this.#inner.stats(), this.#plane.maps.counters, this.#refused, this.#retaken);
  }

  /** With a clock of the test's: the kernel is told what time it is. */
  tick(): void {
    if (this.#options.clock !== undefined) this.#plane.useClock(this.#options.clock());
  }

  async settle(): Promise<number> {
    if (this.#opening.size > 0) await new Promise<void>((resolve) => this.#whenOpened.push(resolve));
    const removed = this.#flows.removeUnknown();
    this.#ports.removeUnknown();
    this.#plane.settle();
    return removed;
  }

  close(): Promise<void> {
    return this.#close(false);
  }

  /** Where no flow is, there is nothing that could go on. */
  leave(): Promise<void> {
    return this.#close(this.#flows.size > 0);
  }

  async #close(keep: boolean): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#plane.close(keep);
    await this.#inner.close();
  }

  #innerSink(): EngineSink {
    const sink = this.#sink;
    return {
      datagram: (at, from, packet) => sink.datagram(at, from, packet),
      portOpened: (socket, result) => {
        if (!result.ok) this.#foreign.delete(socket);
        else if (this.#opening.has(socket) && !this.#foreign.has(socket)) this.#ports.open(socket, result.local, false);
        sink.portOpened(socket, result);
        this.#opened(socket);
      },
      flowIdle: (flow, service) => sink.flowIdle(flow, service),
      streamOpened: (...what) => sink.streamOpened(...what),
      standingPair: (pair) => sink.standingPair?.(pair),
      standingTotals: (at, totals) => sink.standingTotals?.(at, totals),
      streamConnected: (stream, result) => sink.streamConnected(stream, result),
      streamData: (stream, chunk) => sink.streamData(stream, chunk),
      streamClosed: (stream, end) => sink.streamClosed(stream, end),
    };
  }

  /** The answer for a port is there, and what was ordered because of it. */
  #opened(socket: SocketId): void {
    this.#opening.delete(socket);
    if (this.#opening.size > 0) return;
    for (const hear of this.#whenOpened.splice(0)) hear();
  }

  #merge(inner: FlowCounters | undefined, id: FlowId): FlowCounters | undefined {
    return mergeCounters(inner, this.#flows.counters(id), this.#clock(), this.#monotonic());
  }

  /** A socket bound to a wildcard leaves its source to the kernel's routes, or to the engine below; a program has to be told. */
  #sourceOf({ rewrite: { socket, local, remote } }: Flow): string | undefined {
    if (!isWildcard(local.address)) return local.address;
    return this.#inner.sourceOf?.(socket, remote) ?? sourceFor(remote);
  }

  #forgotten(entry: KernelFlow): void {
    this.#idle.clear(entry);
    if (entry.inKernel) this.#ports.count(entry.flow, -1);
    else this.#countMissing(-1);
  }

  #refuse(failure: InstallFailure): void {
    const count = this.#refused.get(failure) ?? 0;
    this.#refused.set(failure, count + 1);
    // One line for a kind of failure; how often is in the metrics.
    if (count === 0) this.#options.log(`the kernel did not take a flow (${failure}): it goes through userspace`);
    this.#countMissing(1);
  }

  /** Space returns when flows go, memory when somebody else gives it back, a route when it does. */
  #retry(): void {
    if (this.#missing === 0) return;
    const taken = this.#flows.retry(RETRIES, (flow) => this.#sourceOf(flow));
    for (const { flow } of taken) {
      this.#ports.count(flow, 1);
      this.#countMissing(-1);
    }
    this.#retaken += taken.length;
    if (taken.length > 0 && this.#missing === 0)
      this.#options.log('the kernel has taken all flows that it had refused');
  }

  /** A process without a descriptor to spare goes on; what is not looked at now is in two seconds. */
  #refresh(): void {
    try {
      this.#plane.refresh();
      this.#faulty = false;
    } catch (error) {
      if (!this.#faulty) this.#options.log(`the state of the network cannot be read: ${String(error)}`);
      this.#faulty = true;
    }
  }

  /** Data of flows that the kernel lacks goes up, and is no flood. */
  #countMissing(by: 1 | -1): void {
    const before = this.#missing;
    this.#missing += by;
    if (this.#options.budget === undefined || (before === 0) === (this.#missing === 0)) return;
    this.#plane.useBudgets(this.#missing === 0 ? this.#options.budget : undefined);
  }

  #reap(): void {
    const now = this.#clock();
    for (const entry of this.#idle.takeDue(now)) {
      const { id, idle, service } = entry.flow;
      const lastSeen = this.flowCounters(id)?.lastSeen ?? 0;
      if (lastSeen !== 0 && lastSeen + idle > now) {
        this.#idle.set(entry, lastSeen + idle);
      } else {
        this.#reaped = { id, counters: this.removeFlow(id) };
        this.#sink.flowIdle(id, service);
        this.#reaped = undefined;
      }
    }
  }
}

/** How long a new address of the host is not known for its own. */
const REFRESH_EVERY: Millis = 2 * SECOND;
/** Flows that are offered again at a time: a millisecond or two. */
const RETRIES = 1000;
