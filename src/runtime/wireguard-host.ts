import { randomBytes } from 'node:crypto';
import type { Config } from '../control/config/schema.ts';
import type { ListenerAddress } from '../control/config/units.ts';
import type { WireguardSettings } from '../control/config/wireguard.ts';
import type { Log } from '../control/log/log.ts';
import type { WireguardMetrics } from '../control/metrics/wireguard.ts';
import { KeptFile } from '../control/state/kept-file.ts';
import type { StateSecrets } from '../control/state/secrets.ts';
import { endpointKey } from '../net/endpoint.ts';
import type { IdSource } from '../net/ids.ts';
import { MINUTE } from '../net/time.ts';
import type { BlockList } from '../service/block-list.ts';
import type { Snapshot } from '../service/wireguard/snapshot.ts';
import { type WireguardClient, WireguardService } from '../service/wireguard/wireguard.ts';
import type { BindFailure } from './bind-failures.ts';
import type { Driver } from './driver.ts';
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
  readonly blocks: BlockList;
  readonly log: Log;
}

/** The WireGuard relay in a running relay: its listeners, its numbers, and what it keeps over a restart. */
export class WireguardHost {
  readonly bound: ListenerAddress[] = [];
  readonly #options: WireguardHostOptions;
  readonly #service: WireguardService;
  readonly #kept: KeptFile;
  #saver: NodeJS.Timeout | undefined;

  constructor(options: WireguardHostOptions) {
    this.#options = options;
    const { config, ids, blocks, driver } = options;
    const { engine } = driver;
    this.#kept = new KeptFile(config.state, 'wireguard.json');
    this.#service = new WireguardService({
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

  /** Binds every listener and takes up what an earlier process left; the answer names listeners that could not be bound. */
  async open(): Promise<BindFailure[]> {
    const failures: BindFailure[] = [];
    for (const listener of this.#options.listeners) {
      const failure = await this.#listen(listener);
      if (failure !== undefined) failures.push(failure);
    }
    if (failures.length > 0) return failures;
    this.#restore();
    // A crash loses a minute of routes at most: peers find each other again by themselves, only later.
    this.#saver = setInterval(() => this.#save(), MINUTE).unref();
    return [];
  }

  /** To be called before the driver stops. */
  close(): void {
    if (this.#saver === undefined) return;
    clearInterval(this.#saver);
    this.#save();
  }

  /** Peers, budgets and limits take effect at once; the answer names what has changed and needs a restart. */
  update(config: Config, wireguard: WireguardSettings): string[] {
    const { wireguard: before, secrets } = this.#options;
    const options = { ...this.#options, config, wireguard };
    const settings = makeWireguardConfig(options);
    this.#options.driver.run(this.#service, (now) => this.#service.updateConfig(settings, now));
    const places = ({ listen }: WireguardSettings) => listen.map(({ local }) => endpointKey(local)).join();
    return [
      ...(places(before) === places(wireguard) ? [] : ['wireguard.listen']),
      ...(proofKeyOf(before, secrets)?.public === proofKeyOf(wireguard, secrets)?.public ? [] : ['wireguard.proof']),
    ];
  }

  /** No new clients. Nobody waits for those that are there: what they have is kept, and goes on after a restart. */
  drain(): void {
    this.#options.driver.run(this.#service, (now) => this.#service.drain(now));
  }

  /** What clients write into their configuration, where the relay is a peer of theirs. */
  get publicKey(): string | undefined {
    return proofKeyOf(this.#options.wireguard, this.#options.secrets)?.public;
  }

  /** The block list has changed. */
  applyBlocks(): void {
    this.#options.driver.run(this.#service, (now) => this.#service.applyBlocks(now));
  }

  clients(): WireguardClient[] {
    return this.#service.clients();
  }

  metrics(): WireguardMetrics {
    const { clients, drops, relayed, totals } = this.#service.stats();
    const traffic = [{ service: 'wireguard', direction: 'to_peer', ...relayed } as const];
    const blockedAddresses = this.#options.blocks.size;
    return { service: 'wireguard', clients, drops: drops.entries(), traffic, totals, blockedAddresses };
  }

  async #listen({ local, optional }: PlannedListener): Promise<BindFailure | undefined> {
    const { driver, log } = this.#options;
    const { socket, result } = await driver.listen(this.#service, { transport: 'udp', local });
    if (result.ok) {
      this.#service.addListener(socket, result.local);
      this.bound.push({ transport: 'udp', local: result.local });
      return undefined;
    }
    if (optional && result.failure === 'no-address') {
      log.info('left out a default listener: this machine cannot have it', { listener: endpointKey(local) });
      return undefined;
    }
    return { key: 'wireguard.listen', transport: 'udp', local, failure: result.failure, detail: result.detail };
  }

  #restore(): void {
    const { driver, log } = this.#options;
    const kept = this.#kept.read();
    if (kept === undefined) return;
    try {
      driver.run(this.#service, (now) => this.#service.restore(kept as Snapshot, now));
      log.info('took up WireGuard sessions', { clients: this.#service.stats().clients });
    } catch (error) {
      // Peers meet again without it; a relay that does not start would help nobody.
      log.warn('WireGuard sessions of an earlier run cannot be taken up', { reason: String(error) });
    }
  }

  #save(): void {
    const failure = this.#kept.write(this.#service.snapshot());
    if (failure !== undefined) this.#options.log.warn('WireGuard sessions are not kept', { reason: failure });
  }
}
