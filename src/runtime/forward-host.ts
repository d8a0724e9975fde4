import { randomBytes } from 'node:crypto';
import type { ForwardSettings } from '../control/config/forward.ts';
import type { ForwardListener } from '../control/config/forward-units.ts';
import type { Config } from '../control/config/schema.ts';
import type { ListenerAddress } from '../control/config/units.ts';
import type { MetricFamily } from '../control/metrics/exposition.ts';
import { collectForward, type ForwardMetrics } from '../control/metrics/forward.ts';
import type { ListenSpec } from '../engine/engine.ts';
import type { Direction } from '../flow/flow.ts';
import type { Endpoint } from '../net/endpoint.ts';
import type { IdSource, SocketId } from '../net/ids.ts';
import { UNIX_ENDPOINT } from '../net/stream-target.ts';
import type { Millis } from '../net/time.ts';
import type { Common } from '../service/common.ts';
import { ForwardService } from '../service/forward/forward-service.ts';
import type { BindFailure } from './bind-failures.ts';
import type { Driver } from './driver.ts';
import { makeForwardConfig } from './forward-config.ts';
import type { ServiceHost } from './host.ts';

export interface ForwardHostOptions {
  readonly forward: readonly ForwardSettings[];
  readonly driver: Driver;
  readonly ids: IdSource;
  readonly common: Common;
}

/** The forward service in a running relay: its listeners, which come and go with the configuration, and its numbers. */
export class ForwardHost implements ServiceHost {
  readonly service: ForwardService;
  readonly #options: ForwardHostOptions;
  readonly #open = new Map<string, OpenListener>();
  /** Reloads that overlap are done one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: ForwardHostOptions) {
    this.#options = options;
    this.service = new ForwardService(options.ids, (length) => randomBytes(length), options.common);
  }

  get untoldPatience(): Millis {
    return this.service.longestDrain;
  }

  /** Its listeners have names: see forwards(). */
  readonly bound: readonly ListenerAddress[] = [];

  open(): Promise<BindFailure[]> {
    return this.apply(this.#options.forward);
  }

  update({ forward = [] }: Config): Promise<BindFailure[]> {
    return this.apply(forward);
  }

  close(): void {}

  forwards(): readonly BoundListener[] {
    return [...this.#open.values()].map(({ wanted, local }) => ({ name: wanted.rule, place: wanted.place, local }));
  }

  /**
   * From now on these forwards run, those that ran before included; the answer names listeners that could not be opened. A listener
   * that stays is not touched, nor is a connection of one that goes.
   */
  apply(forwards: readonly ForwardSettings[]): Promise<BindFailure[]> {
    const applied = this.#last.then(() => this.#apply(forwards));
    this.#last = applied.catch(() => {});
    return applied;
  }

  collect(): readonly MetricFamily[] {
    return collectForward(this.metrics());
  }

  metrics(): ForwardMetrics {
    const { forwards, connections, drops, relayed } = this.service.stats();
    const clients = forwards.reduce((sum, { sessions }) => sum + sessions, connections);
    const traffic = DIRECTIONS.map((direction) => ({ service: 'forward', direction, ...relayed[direction] }) as const);
    return { service: 'forward', clients, drops: drops.entries(), traffic, forwards };
  }

  async #apply(forwards: readonly ForwardSettings[]): Promise<BindFailure[]> {
    const { driver } = this.#options;
    const wanted = new Map(forwards.flatMap(listenersOf).map((listener) => [keyOf(listener), listener]));
    for (const [key, listener] of this.#open) if (!wanted.has(key)) this.#close(key, listener);
    const config = makeForwardConfig(forwards);
    driver.run(this.service, (now) => this.service.updateConfig(config, now));
    const failures: BindFailure[] = [];
    for (const [key, listener] of wanted) {
      if (this.#open.has(key)) continue;
      const failure = await this.#listen(key, listener);
      if (failure !== undefined) failures.push(failure);
    }
    return failures;
  }

  async #listen(key: string, wanted: WantedListener): Promise<BindFailure | undefined> {
    const { driver } = this.#options;
    const { socket, result } = await driver.listen(this.service, wanted.spec);
    if (!result.ok) {
      const { place, spec } = wanted;
      const local = spec.transport === 'unix' ? UNIX_ENDPOINT : spec.local;
      const at = `forward ${wanted.rule}: listen${spec.transport === 'unix' ? ` ${place}` : ''}`;
      return { key: at, transport: spec.transport, local, failure: result.failure, detail: result.detail };
    }
    this.service.addListener(socket, wanted.rule, result.local, wanted.offset);
    this.#open.set(key, { wanted, socket, local: result.local });
    return undefined;
  }

  #close(key: string, { wanted, socket }: OpenListener): void {
    const { driver } = this.#options;
    this.#open.delete(key);
    const remove = (): void => driver.run(this.service, () => this.service.removeListener(socket));
    if (wanted.spec.transport === 'udp') {
      // The service first: its flows go before the socket that they use.
      remove();
      driver.unlisten(socket);
    } else {
      driver.run(this.service, () => this.service.closeListener(socket));
      void driver.stopListening(socket).then(remove);
    }
  }
}

export interface BoundListener {
  readonly name: string;
  /** As a URL, such as tcp://0.0.0.0:80. */
  readonly place: string;
  readonly local: Endpoint;
}

interface WantedListener {
  readonly rule: string;
  readonly place: string;
  readonly offset: number;
  readonly spec: ListenSpec;
}

interface OpenListener {
  readonly wanted: WantedListener;
  readonly socket: SocketId;
  readonly local: Endpoint;
}

/** One for each port of a range. */
function listenersOf({ name, listen, limits, keepAlive, transparent }: ForwardSettings): WantedListener[] {
  const maxStreams = limits.connections;
  return listen.flatMap((listener): WantedListener[] => {
    if (listener.transport === 'unix') {
      const spec = { transport: 'unix', path: listener.path, maxStreams } as const;
      return [{ rule: name, place: `unix://${listener.path}`, offset: 0, spec }];
    }
    return portsOf(listener).map((local, offset) => {
      const spec: ListenSpec =
        listener.transport === 'udp'
          ? { transport: 'udp', local, ...(transparent && { transparent }) }
          : { transport: 'tcp', local, maxStreams, held: true, ...(keepAlive.count > 0 && { keepAlive }) };
      return { rule: name, place: `${listener.transport}://${listener.address}:${local.port}`, offset, spec };
    });
  });
}

/** Each port of a range. */
export function portsOf({ family, address, ports }: Exclude<ForwardListener, { transport: 'unix' }>): Endpoint[] {
  const count = ports.max - ports.min + 1;
  return Array.from({ length: count }, (_, offset) => ({ family, address, port: ports.min + offset }));
}

/** What a listener must be made anew for when it changes. */
function keyOf({ rule, place, offset, spec }: WantedListener): string {
  const settings =
    spec.transport === 'tcp' ? [spec.maxStreams, spec.keepAlive] : spec.transport === 'udp' ? [spec.transparent] : [];
  return JSON.stringify([rule, place, offset, settings]);
}

const DIRECTIONS: readonly Direction[] = ['to_peer', 'to_client'];
