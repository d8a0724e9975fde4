import { randomBytes } from 'node:crypto';
import type { PairSettings } from '../control/config/pair.ts';
import type { Config } from '../control/config/schema.ts';
import type { ListenerAddress } from '../control/config/units.ts';
import type { Log } from '../control/log/log.ts';
import type { MetricFamily } from '../control/metrics/exposition.ts';
import { collectPair, type PairMetrics } from '../control/metrics/pair.ts';
import type { StateSecrets } from '../control/state/secrets.ts';
import type { Direction } from '../flow/flow.ts';
import { endpointKey } from '../net/endpoint.ts';
import type { IdSource } from '../net/ids.ts';
import type { Common } from '../service/common.ts';
import { PairService } from '../service/pair/pair.ts';
import type { BindFailure } from './bind-failures.ts';
import type { Driver } from './driver.ts';
import type { ServiceHost } from './host.ts';
import { makePairConfig } from './pair-config.ts';
import type { PlannedListener } from './plan.ts';

export interface PairHostOptions {
  readonly config: Config;
  readonly pair: PairSettings;
  readonly listeners: readonly PlannedListener[];
  readonly secrets: StateSecrets;
  readonly driver: Driver;
  readonly ids: IdSource;
  readonly common: Common;
  readonly log: Log;
}

/** The pair relay in a running relay: its listeners and its numbers. */
export class PairHost implements ServiceHost {
  readonly bound: ListenerAddress[] = [];
  readonly service: PairService;
  readonly #options: PairHostOptions;

  constructor(options: PairHostOptions) {
    this.#options = options;
    const config = makePairConfig(options.config, options.pair, options.secrets);
    this.service = new PairService(config, options.ids, (length) => randomBytes(length), options.common);
  }

  /** Binds every listener; the answer names those that could not be. */
  async open(): Promise<BindFailure[]> {
    const failures: BindFailure[] = [];
    for (const listener of this.#options.listeners) {
      const failure = await this.#listen(listener);
      if (failure !== undefined) failures.push(failure);
    }
    return failures;
  }

  /** Listeners and their buffers are those of the start. */
  async update(config: Config): Promise<BindFailure[]> {
    const { driver, secrets } = this.#options;
    const { pair } = config;
    if (pair === undefined) return [];
    const settings = makePairConfig(config, pair, secrets);
    driver.run(this.service, (now) => this.service.updateConfig(settings, now));
    return [];
  }

  close(): void {}

  collect(): readonly MetricFamily[] {
    return collectPair(this.metrics());
  }

  metrics(): PairMetrics {
    const { open, halfOpen, clients, drops, relayed } = this.service.stats();
    const traffic = DIRECTIONS.map((direction) => ({ service: 'pair', direction, ...relayed[direction] }) as const);
    return { service: 'pair', open, halfOpen, clients, drops: drops.entries(), traffic };
  }

  async #listen({ local, optional }: PlannedListener): Promise<BindFailure | undefined> {
    const { driver, log, pair } = this.#options;
    const { buffers } = pair;
    const { socket, result } = await driver.listen(this.service, { transport: 'udp', local, buffers });
    if (result.ok) {
      this.service.addListener(socket, result.local);
      this.bound.push({ transport: 'udp', local: result.local });
      return undefined;
    }
    if (optional && result.failure === 'no-address') {
      log.info('left out a default listener: this machine cannot have it', { listener: endpointKey(local) });
      return undefined;
    }
    return { key: 'pair.listen', transport: 'udp', local, failure: result.failure, detail: result.detail };
  }
}

const DIRECTIONS: readonly Direction[] = ['to_peer', 'to_client'];
