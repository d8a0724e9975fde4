import { randomBytes } from 'node:crypto';
import type { Config } from '../control/config/schema.ts';
import type { ListenerAddress } from '../control/config/units.ts';
import type { WireguardSettings } from '../control/config/wireguard.ts';
import type { Log } from '../control/log/log.ts';
import type { WireguardMetrics } from '../control/metrics/wireguard.ts';
import { type Endpoint, endpointKey } from '../net/endpoint.ts';
import type { IdSource } from '../net/ids.ts';
import type { BlockList } from '../service/block-list.ts';
import type { WireguardConfig } from '../service/wireguard/config.ts';
import { type WireguardClient, WireguardService } from '../service/wireguard/wireguard.ts';
import { isWildcard } from './addresses.ts';
import type { BindFailure } from './bind-failures.ts';
import type { Driver } from './driver.ts';
import type { PlannedListener } from './plan.ts';

export interface WireguardHostOptions {
  readonly config: Config;
  readonly wireguard: WireguardSettings;
  readonly listeners: readonly PlannedListener[];
  /** Of this machine. */
  readonly ownAddresses: readonly string[];
  readonly driver: Driver;
  readonly ids: IdSource;
  readonly blocks: BlockList;
  readonly log: Log;
}

/** The WireGuard relay in a running relay: its listeners and its numbers. */
export class WireguardHost {
  readonly bound: ListenerAddress[] = [];
  readonly service: WireguardService;
  readonly #options: WireguardHostOptions;

  constructor(options: WireguardHostOptions) {
    this.#options = options;
    const { ids, blocks, driver } = options;
    const { engine } = driver;
    this.service = new WireguardService({
      config: makeWireguardConfig(options),
      ids,
      blocks,
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

  /** The block list has changed. */
  applyBlocks(): void {
    this.#options.driver.run(this.service, (now) => this.service.applyBlocks(now));
  }

  clients(): WireguardClient[] {
    return this.service.clients();
  }

  metrics(): WireguardMetrics {
    const { clients, drops, relayed, totals } = this.service.stats();
    const traffic = [{ service: 'wireguard', direction: 'to_peer', ...relayed } as const];
    const blockedAddresses = this.#options.blocks.size;
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

function makeWireguardConfig({ config, wireguard, listeners, ownAddresses }: WireguardHostOptions): WireguardConfig {
  const { peers, challenge, maxClients, fanOut, timeout, initiations, unasked, hashesPerSecond } = wireguard;
  const { maxSources } = config.limits.unauthenticated;
  return {
    peers,
    challenge,
    ownEndpoints: listeners.flatMap(({ local }) => reachedAt(local, ownAddresses)),
    maxClients,
    maxStrangers: Math.max(MIN_STRANGERS, Math.ceil(maxClients / 4)),
    fanOut,
    timeout,
    initiations: { ...initiations, maxSources },
    unasked: { ...unasked, maxSources },
    searches: { ...SEARCHES, maxSources },
    hashesPerSecond,
  };
}

/** A wildcard listener is reached at every address of its family. */
function reachedAt(local: Endpoint, ownAddresses: readonly string[]): Endpoint[] {
  if (!isWildcard(local.address)) return [local];
  const ofFamily = ownAddresses.filter((address) => address.includes(':') === (local.family === 6));
  return ofFamily.map((address) => ({ ...local, address }));
}

const MIN_STRANGERS = 256;
/** A link of an interface is searched once; its cached keys need none. */
const SEARCHES = { perAddress: 5, perPrefix: 50, burstSeconds: 10 };
