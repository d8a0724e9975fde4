import { randomBytes } from 'node:crypto';
import type { Config } from '../control/config/schema.ts';
import type { ListenerAddress } from '../control/config/units.ts';
import type { WireguardSettings } from '../control/config/wireguard.ts';
import type { Log } from '../control/log/log.ts';
import type { MetricFamily } from '../control/metrics/exposition.ts';
import { collectWireguard, type WireguardMetrics } from '../control/metrics/wireguard.ts';
import type { StateSecrets } from '../control/state/secrets.ts';
import { endpointKey } from '../net/endpoint.ts';
import type { IdSource } from '../net/ids.ts';
import type { Common } from '../service/common.ts';
import { WireguardService } from '../service/wireguard/wireguard.ts';
import type { BindFailure } from './bind-failures.ts';
import type { Driver } from './driver.ts';
import type { ServiceHost } from './host.ts';
import type { PlannedListener } from './plan.ts';
import { makeWireguardConfig, proofKeyOf } from './wireguard-config.ts';

export interface WireguardHostOptions {
  readonly config: Config;
  readonly wireguard: WireguardSettings;
  readonly listeners: readonly PlannedListener[];
  /** Of this machine. */
  readonly ownAddresses: readonly string[];
  readonly driver: Driver;
  readonly secrets: StateSecrets;
  readonly ids: IdSource;
  readonly common: Common;
  readonly log: Log;
}

/** The WireGuard relay in a running relay: its listeners and its numbers. */
export class WireguardHost implements ServiceHost {
  readonly keepsClients = true;
  readonly bound: ListenerAddress[] = [];
  readonly service: WireguardService;
  readonly #options: WireguardHostOptions;

  constructor(options: WireguardHostOptions) {
    this.#options = options;
    const { ids, common, driver } = options;
    const { engine } = driver;
    this.service = new WireguardService({
      config: makeWireguardConfig(options),
      ids,
      blocks: common.blocks,
      random: (length) => randomBytes(length),
      flows: {
        read: (flow) => engine.flowCounters(flow),
        total: () => {
          const ours = engine.stats().traffic.filter(({ service }) => service === 'wireguard');
          const sum = (read: 'packets' | 'bytes') => ours.reduce((total, count) => total + count[read], 0);
          return { packets: sum('packets'), bytes: sum('bytes') };
        },
      },
    });
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

  /** Peers, budgets and limits take effect at once; listeners and the key of the relay are those of the start. */
  async update(config: Config): Promise<BindFailure[]> {
    const { wireguard } = config;
    if (wireguard === undefined) return [];
    const settings = makeWireguardConfig({ ...this.#options, config, wireguard });
    this.#options.driver.run(this.service, (now) => this.service.updateConfig(settings, now));
    return [];
  }

  /** Nothing is open but sockets, which are the driver's. */
  close(): void {}

  /** What clients write into their configuration, where the relay is a peer of theirs. */
  get publicKey(): string | undefined {
    return proofKeyOf(this.#options.wireguard, this.#options.secrets)?.public;
  }

  collect(): readonly MetricFamily[] {
    return collectWireguard(this.metrics());
  }

  metrics(): WireguardMetrics {
    const { clients, drops, relayed, totals } = this.service.stats();
    const traffic = [{ service: 'wireguard', direction: 'to_peer', ...relayed } as const];
    const blockedAddresses = this.#options.common.blocks.size;
    return { service: 'wireguard', clients, drops: drops.entries(), traffic, totals, blockedAddresses };
  }

  async #listen({ local, optional }: PlannedListener): Promise<BindFailure | undefined> {
    const { driver, log } = this.#options;
    const { socket, result } = await driver.listen(this.service, { transport: 'udp', local });
    if (result.ok) {
      this.service.addListener(socket, result.local);
      this.bound.push({ transport: 'udp', local: result.local });
      return undefined;
    }
    if (optional && result.failure === 'no-address') {
      log.info('left out a default listener: this machine cannot have it', { listener: endpointKey(local) });
      return undefined;
    }
    return { key: 'wireguard.listen', transport: 'udp', local, failure: result.failure, detail: result.detail };
  }
}
