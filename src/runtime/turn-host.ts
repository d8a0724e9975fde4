import { randomBytes } from 'node:crypto';
import type { Config } from '../control/config/schema.ts';
import type { TurnSettings } from '../control/config/turn.ts';
import type { ListenerAddress } from '../control/config/units.ts';
import type { Log } from '../control/log/log.ts';
import type { MetricFamily } from '../control/metrics/exposition.ts';
import { collectTurn, type TurnMetrics } from '../control/metrics/relay.ts';
import type { StateSecrets } from '../control/state/secrets.ts';
import { type ListenSpec, type TlsMaterial, TlsMaterialError } from '../engine/engine.ts';
import type { Direction } from '../flow/flow.ts';
import { type Endpoint, endpointKey } from '../net/endpoint.ts';
import type { IdSource, SocketId } from '../net/ids.ts';
import type { Millis } from '../net/time.ts';
import type { Common } from '../service/common.ts';
import { TurnService } from '../service/turn/turn.ts';
import type { BindFailure } from './bind-failures.ts';
import type { Driver } from './driver.ts';
import type { ServiceHost } from './host.ts';
import type { PlannedListener, TurnPlan } from './plan.ts';
import { TlsFiles } from './tls-files.ts';
import { makeTurnConfig } from './turn-config.ts';

export interface TurnHostOptions {
  readonly config: Config;
  readonly turn: TurnSettings;
  readonly plan: TurnPlan;
  readonly secrets: StateSecrets;
  readonly driver: Driver;
  readonly ids: IdSource;
  readonly common: Common;
  readonly admin: Endpoint | undefined;
  /** Listeners of the other services: no peers either. */
  readonly others: readonly Endpoint[];
  readonly log: Log;
}

/** The TURN service in a running relay: its listeners, its certificate, its numbers. */
export class TurnHost implements ServiceHost {
  readonly bound: ListenerAddress[] = [];
  readonly service: TurnService;
  #options: TurnHostOptions;
  readonly #tls: TlsFiles | undefined;
  readonly #tlsSockets: SocketId[] = [];

  constructor(options: TurnHostOptions) {
    this.#options = options;
    const { turn, plan, log, ids } = options;
    const planned = plan.listeners.map(({ local }) => local);
    this.service = new TurnService(this.#turnConfig(planned), ids, (length) => randomBytes(length), options.common);
    if (turn.tls !== undefined && plan.listeners.some(({ transport }) => transport === 'tls')) {
      this.#tls = new TlsFiles({ ...turn.tls, log, onChange: (material) => this.#updateTls(material) });
    }
  }

  get patience(): Millis {
    return this.#options.turn.drain;
  }

  /** Binds every listener; the answer names those that could not be. */
  async open(): Promise<BindFailure[]> {
    const failures: BindFailure[] = [];
    for (const listener of this.#options.plan.listeners) {
      const failure = await this.#listen(listener);
      if (failure !== undefined) failures.push(failure);
    }
    // Ports that the system chose are own listeners too, which no peer may be.
    if (this.#options.plan.listeners.some(({ local }) => local.port === 0)) {
      const config = this.#turnConfig(this.bound.map(({ local }) => local));
      this.#options.driver.run(this.service, (now) => this.service.updateConfig(config, now));
    }
    return failures;
  }

  /** Certificates are read again also when nothing else has changed. */
  reloadTls(): void {
    this.#tls?.reload();
  }

  /** New settings take effect at once; listeners, relayed addresses and paths of TLS files are those of the start. */
  async update(config: Config): Promise<BindFailure[]> {
    const { turn } = config;
    if (turn === undefined) return [];
    this.#options = { ...this.#options, config, turn };
    const settings = this.#turnConfig(this.bound.map(({ local }) => local));
    this.#options.driver.run(this.service, (now) => this.service.updateConfig(settings, now));
    return [];
  }

  close(): void {
    this.#tls?.close();
  }

  metrics(): TurnMetrics {
    const { allocations, clients, drops, responses, relayed } = this.service.stats();
    const traffic = DIRECTIONS.map((direction) => ({ service: 'turn', direction, ...relayed[direction] }) as const);
    return { service: 'turn', allocations, clients, drops: drops.entries(), responses, traffic };
  }

  collect(): readonly MetricFamily[] {
    return collectTurn(this.metrics());
  }

  async #listen(listener: PlannedListener): Promise<BindFailure | undefined> {
    const { driver, log } = this.#options;
    const { transport, local, optional } = listener;
    const { socket, result } = await driver.listen(this.service, this.#listenSpec(listener));
    if (result.ok) {
      if (transport === 'udp') this.service.addListener(socket, result.local);
      else this.service.addStreamListener(socket, result.local);
      if (transport === 'tls') this.#tlsSockets.push(socket);
      this.bound.push({ transport, local: result.local });
      return undefined;
    }
    if (optional && result.failure === 'no-address') {
      log.info('left out a default listener: this machine cannot have it', { listener: endpointKey(local) });
      return undefined;
    }
    return { key: 'turn.listen', transport, local, failure: result.failure, detail: result.detail };
  }

  #listenSpec({ transport, local }: ListenerAddress): ListenSpec {
    const maxStreams = this.#options.config.limits.connections;
    if (transport === 'udp' || transport === 'tcp') return { transport, local, maxStreams };
    const tls = this.#tls?.current;
    // The configuration is checked: no dtls:// in this version, no tls:// without turn.tls.
    if (transport === 'dtls' || tls === undefined)
      throw new Error(`cannot listen on ${transport}:// without TLS material`);
    return { transport, local, maxStreams, tls };
  }

  #updateTls(material: TlsMaterial): void {
    for (const socket of this.#tlsSockets) {
      try {
        this.#options.driver.engine.updateTls(socket, material);
      } catch (error) {
        if (!(error instanceof TlsMaterialError)) throw error;
        this.#options.log.warn('new TLS files cannot be used, the old ones stay', { reason: error.message });
      }
    }
  }

  #turnConfig(listeners: readonly Endpoint[]) {
    const { admin, others, driver } = this.#options;
    const ownEndpoints = [...listeners, ...others, ...(admin === undefined ? [] : [admin])];
    return makeTurnConfig({
      ...this.#options,
      ownEndpoints,
      canSetDontFragment: driver.engine.capabilities.dontFragment,
    });
  }
}

const DIRECTIONS: readonly Direction[] = ['to_peer', 'to_client'];
