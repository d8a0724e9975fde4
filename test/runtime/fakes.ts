import type { Engine, EngineSink, ListenSpec } from '../../src/engine/engine.ts';
import type { ServiceName } from '../../src/flow/flow.ts';
import type { SocketId } from '../../src/net/ids.ts';
import type { OpenResult } from '../../src/net/open-result.ts';
import type { Millis } from '../../src/net/time.ts';
import type { Order, Service } from '../../src/service/service.ts';

/** A service that notes what it is called with, and orders what the test puts into `orders`. */
export class FakeService implements Service {
  readonly name: ServiceName;
  readonly calls: unknown[][] = [];
  readonly orders: Order[] = [];
  deadline: Millis | undefined = undefined;
  /** Runs inside every handle*. */
  onCall: (call: unknown[]) => void = () => {};

  constructor(name: ServiceName = 'turn') {
    this.name = name;
  }

  handleDatagram(...call: unknown[]): void {
    this.#note('datagram', call);
  }

  handlePortOpened(...call: unknown[]): void {
    this.#note('portOpened', call);
  }

  handleFlowIdle(...call: unknown[]): void {
    this.#note('flowIdle', call);
  }

  handleStreamOpened(...call: unknown[]): void {
    this.#note('streamOpened', call);
  }

  handleStreamData(...call: unknown[]): void {
    this.#note('streamData', call);
  }

  handleStreamClosed(...call: unknown[]): void {
    this.#note('streamClosed', call);
  }

  handleStreamConnected(...call: unknown[]): void {
    this.#note('streamConnected', call);
  }

  handleResolved(...call: unknown[]): void {
    this.#note('resolved', call);
  }

  handleTimeout(...call: unknown[]): void {
    this.#note('timeout', call);
  }

  pollOutput(): Order | undefined {
    return this.orders.shift();
  }

  pollTimeout(): Millis | undefined {
    return this.deadline;
  }

  #note(name: string, call: unknown[]): void {
    this.calls.push([name, ...call]);
    this.onCall([name, ...call]);
  }
}

/** An engine that notes its calls; the test plays the network through `sink`. */
export class FakeEngine implements Engine {
  readonly name = 'portable';
  readonly mode = 'fake';
  readonly capabilities = { dontFragment: false };
  readonly sink: EngineSink;
  readonly calls: unknown[][] = [];
  /** The answer to allTold() and stopListening(). */
  told: Promise<void> = Promise.resolve();
  listenResult: OpenResult = { ok: true, local: { family: 4, address: '127.0.0.1', port: 3478 } };

  constructor(sink: EngineSink) {
    this.sink = sink;
  }

  async listen(socket: SocketId, spec: ListenSpec): Promise<OpenResult> {
    this.calls.push(['listen', socket, spec]);
    return this.listenResult;
  }

  updateTls(...call: unknown[]): void {
    this.calls.push(['updateTls', ...call]);
  }

  openPort(...call: unknown[]): void {
    this.calls.push(['openPort', ...call]);
  }

  closePort(...call: unknown[]): void {
    this.calls.push(['closePort', ...call]);
  }

  send(...call: unknown[]): void {
    this.calls.push(['send', ...call]);
  }

  write(...call: unknown[]): void {
    this.calls.push(['write', ...call]);
  }

  closeStream(...call: unknown[]): void {
    this.calls.push(['closeStream', ...call]);
  }

  stopListening(...call: unknown[]): Promise<void> {
    this.calls.push(['stopListening', ...call]);
    return this.told;
  }

  allTold(): Promise<void> {
    return this.told;
  }

  connect(...call: unknown[]): void {
    this.calls.push(['connect', ...call]);
  }

  read(...call: unknown[]): void {
    this.calls.push(['read', ...call]);
  }

  join(...call: unknown[]): void {
    this.calls.push(['join', ...call]);
  }

  addFlow(...call: unknown[]): void {
    this.calls.push(['addFlow', ...call]);
  }

  removeFlow(...call: unknown[]): undefined {
    this.calls.push(['removeFlow', ...call]);
  }

  flowCounters(): undefined {}

  flows(): [] {
    return [];
  }

  streamBytes(): undefined {}

  stats() {
    return { flows: new Map(), traffic: [], drops: new Map() };
  }

  async close(): Promise<void> {
    this.calls.push(['close']);
  }
}
