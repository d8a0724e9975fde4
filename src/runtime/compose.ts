import { join } from 'node:path';
import { type AdminServer, openAdmin } from '../control/admin/server.ts';
import type { Config } from '../control/config/schema.ts';
import type { Log } from '../control/log/log.ts';
import { EXPOSITION_TYPE, expose } from '../control/metrics/exposition.ts';
import { collectForward } from '../control/metrics/forward.ts';
import { collectPair } from '../control/metrics/pair.ts';
import { collectProcess } from '../control/metrics/process.ts';
import { collectBlocks, collectBuild, collectEngine, collectTurn } from '../control/metrics/relay.ts';
import { collectWireguard } from '../control/metrics/wireguard.ts';
import { loadOrMakeSecrets, SECRETS_FILE, type StateSecrets } from '../control/state/secrets.ts';
import { readVersion } from '../control/version.ts';
import type { ServiceName } from '../flow/flow.ts';
import { endpointKey } from '../net/endpoint.ts';
import { IdSource } from '../net/ids.ts';
import type { BlockList } from '../service/block-list.ts';
import type { ServiceEvent } from '../service/service.ts';
import { ownAddresses } from './addresses.ts';
import type { Summary } from './banner.ts';
import { bindFailureOf, explainBindFailure } from './bind-failures.ts';
import { makeBlockList } from './blocks.ts';
import { drainAll } from './draining.ts';
import { Driver } from './driver.ts';
import { type ChosenEngine, chooseEngine } from './engines.ts';
import { ForwardHost } from './forward-host.ts';
import { turnUrls } from './ice-servers.ts';
import type { Stoppable } from './lifecycle.ts';
import { needsGeneratedPairSecret } from './pair-config.ts';
import { PairHost } from './pair-host.ts';
import { planListeners, planTurn, reachableHost, type TurnPlan } from './plan.ts';
import { resolveName } from './resolver.ts';
import { needsGenerated } from './turn-config.ts';
import { TurnHost } from './turn-host.ts';
import { WireguardHost } from './wireguard-host.ts';

export interface RelayOptions {
  readonly config: Config;
  /** Nobody wrote turn.listen. */
  readonly usesDefaultListeners: boolean;
  /** Nobody wrote pair.listen. */
  readonly usesDefaultPairListeners: boolean;
  /** Nobody wrote wireguard.listen. */
  readonly usesDefaultWireguardListeners: boolean;
  readonly log: Log;
  /** Reads the configuration again, for reload(); undefined when it is faulty, which is in the log then. */
  readonly reread?: () => Promise<Config | undefined>;
}

export type StartResult =
  | { readonly ok: true; readonly relay: Relay }
  | { readonly ok: false; readonly reasons: readonly string[] };

/** Composition root: configuration → state, engine, services, admin listener, all of them running; or every reason why not. */
export async function startRelay(options: RelayOptions): Promise<StartResult> {
  const { config, log } = options;
  const secrets = loadOrMakeSecrets(config.state);
  if (!secrets.ok) return { ok: false, reasons: [secrets.reason] };
  if (secrets.note !== undefined) log.warn(secrets.note);

  const choice = chooseEngine(config, log);
  if (!choice.ok) return { ok: false, reasons: [choice.reason] };
  log.info('engine chosen', { why: choice.engine.why });

  const relay = new Relay(options, choice.engine, secrets.secrets, secrets.kept);
  const reasons = await relay.open();
  if (reasons.length === 0) return { ok: true, relay };
  await relay.stop();
  return { ok: false, reasons };
}

/** A relay that runs in this process. */
class Relay implements Stoppable {
  readonly #config: Config;
  readonly #log: Log;
  readonly #secrets: StateSecrets;
  readonly #secretsKept: boolean;
  readonly #plan: TurnPlan;
  readonly #ids = new IdSource();
  readonly #chosen: ChosenEngine;
  readonly #driver: Driver;
  readonly #version = readVersion();
  #notReady: string | undefined = 'starting';
  readonly #reread: RelayOptions['reread'];
  readonly #usesDefaultPairListeners: boolean;
  readonly #usesDefaultWireguardListeners: boolean;
  readonly #blocks: BlockList;
  #turn: TurnHost | undefined;
  #wireguard: WireguardHost | undefined;
  #pair: PairHost | undefined;
  #forward: ForwardHost | undefined;
  #admin: AdminServer | undefined;

  constructor(
    {
      config,
      usesDefaultListeners,
      usesDefaultPairListeners,
      usesDefaultWireguardListeners,
      log,
      reread,
    }: RelayOptions,
    chosen: ChosenEngine,
    secrets: StateSecrets,
    secretsKept: boolean,
  ) {
    this.#config = config;
    this.#log = log;
    this.#reread = reread;
    this.#secrets = secrets;
    this.#secretsKept = secretsKept;
    this.#usesDefaultPairListeners = usesDefaultPairListeners;
    this.#usesDefaultWireguardListeners = usesDefaultWireguardListeners;
    this.#blocks = makeBlockList(config, () => this.#wireguard?.applyBlocks());
    this.#plan = planTurn(config, usesDefaultListeners, ownAddresses());
    this.#chosen = chosen;
    this.#driver = new Driver({
      ids: this.#ids,
      createEngine: (sink) => this.#chosen.create(sink, this.#ids),
      onEvent: (service, event) => this.#logEvent(service, event),
      resolve: resolveName,
    });
  }

  /** The admin listener comes first, so that it can say that the others are not ready yet. */
  async open(): Promise<string[]> {
    const reasons = [
      ...(await this.#openAdmin()),
      ...(await this.#openTurn()),
      ...(await this.#openWireguard()),
      ...(await this.#openPair()),
      ...(await this.#openForward()),
    ];
    if (reasons.length === 0) this.#notReady = undefined;
    return reasons;
  }

  /** Not ready first, then the listeners, the admin listener last: whoever balances load sees it coming. */
  async stop(): Promise<void> {
    this.#notReady = 'stopping';
    this.#turn?.close();
    this.#wireguard?.close();
    await this.#driver.stop();
    await this.#admin?.close();
  }

  /** Not ready, and nobody new; resolves when the last is gone. */
  async drain(): Promise<void> {
    this.#notReady = 'draining';
    this.#wireguard?.drain();
    const services = [this.#pair?.service, this.#forward?.service].filter((service) => service !== undefined);
    await drainAll(this.#driver, services, this.#log);
  }

  /** Certificates, and what services take over while they run; a faulty configuration changes nothing. */
  async reload(): Promise<void> {
    this.#turn?.reload();
    const config = await this.#reread?.();
    if (config === undefined) return;
    if (config.turn !== undefined) this.#turn?.update(config, config.turn);
    this.#updateWireguard(config);
    for (const failure of await this.#applyForwards(config)) this.#log.error(failure);
    this.#log.info('configuration read again', { forwards: config.forward?.length ?? 0 });
  }

  #updateWireguard(config: Config): void {
    const { wireguard } = config;
    const isSame = (wireguard === undefined) === (this.#wireguard === undefined);
    const changed = wireguard === undefined ? [] : (this.#wireguard?.update(config, wireguard) ?? []);
    for (const key of isSame ? changed : ['wireguard']) this.#log.warn(`${key} has changed: that needs a restart`);
  }

  summary(): Summary {
    const { turn } = this.#config;
    const { ipv4, ipv6 } = this.#plan.relay;
    const addresses = [ipv4?.advertised, ipv6?.advertised].filter((address) => address !== undefined);
    const { name, mode } = this.#driver.engine;
    return {
      version: this.#version,
      listeners: [
        ...(this.#turn?.bound ?? []).map((listener) => ({ service: 'turn', ...listener })),
        ...(this.#wireguard?.bound ?? []).map((listener) => ({ service: 'wireguard', ...listener })),
        ...(this.#pair?.bound ?? []).map((listener) => ({ service: 'pair', ...listener })),
      ],
      forwards: [...(this.#forward?.bound ?? [])],
      relay: turn === undefined ? undefined : { addresses, ports: turn.relay.ports },
      engine: { name, mode, why: this.#chosen.why },
      admin: this.#admin?.local,
      generated: this.#generated(),
      generatedPair: this.#generatedPair(),
      relayPeer: this.#relayPeer(),
    };
  }

  #relayPeer(): Summary['relayPeer'] {
    const publicKey = this.#wireguard?.publicKey;
    const [listener] = this.#wireguard?.bound ?? [];
    if (publicKey === undefined || listener === undefined) return undefined;
    const address = reachableHost(listener, this.#plan, this.#config) ?? listener.local.address;
    return { publicKey, endpoint: endpointKey({ ...listener.local, address }) };
  }

  #generatedPair(): Summary['generatedPair'] {
    const { pair } = this.#config;
    if (pair === undefined || !needsGeneratedPairSecret(pair)) return undefined;
    return { secret: this.#secrets.pair, keptIn: this.#keptIn() };
  }

  #keptIn(): string | undefined {
    return this.#secretsKept ? join(this.#config.state, SECRETS_FILE) : undefined;
  }

  #generated(): Summary['generated'] {
    const { turn } = this.#config;
    if (turn === undefined || !needsGenerated(turn)) return undefined;
    const { username, password } = this.#secrets.turn;
    const urls = turnUrls(this.#config, this.#plan, this.#turn?.bound);
    return { iceServer: { urls, username, credential: password }, keptIn: this.#keptIn() };
  }

  async #openAdmin(): Promise<string[]> {
    const { listen, token } = this.#config.admin;
    if (listen === undefined) return [];
    const collectors = [
      collectBuild(this.#version),
      collectEngine(this.#driver.engine),
      collectBlocks(() => this.#blocks.size),
      () => (this.#turn === undefined ? [] : collectTurn(this.#turn.metrics())),
      () => (this.#wireguard === undefined ? [] : collectWireguard(this.#wireguard.metrics())),
      () => (this.#pair === undefined ? [] : collectPair(this.#pair.metrics())),
      () => (this.#forward === undefined ? [] : collectForward(this.#forward.metrics())),
      collectProcess,
    ];
    try {
      this.#admin = await openAdmin({
        listen,
        token,
        notReady: () => this.#notReady,
        metrics: () => expose(collectors),
        metricsType: EXPOSITION_TYPE,
        onError: (error) => this.#log.error('an admin request failed', { error: String(error) }),
      });
      return [];
    } catch (error) {
      return [explainBindFailure({ key: 'admin.listen', transport: 'http', local: listen, ...bindFailureOf(error) })];
    }
  }

  async #openTurn(): Promise<string[]> {
    const { turn } = this.#config;
    if (turn === undefined) return [];
    for (const note of this.#plan.notes) this.#log.info(note);
    this.#turn = new TurnHost({
      config: this.#config,
      turn,
      plan: this.#plan,
      secrets: this.#secrets,
      driver: this.#driver,
      ids: this.#ids,
      admin: this.#admin?.local,
      others: [this.#config.wireguard, this.#config.pair]
        .flatMap((service) => service?.listen ?? [])
        .map(({ local }) => local),
      log: this.#log,
    });
    return (await this.#turn.open()).map(explainBindFailure);
  }

  async #openForward(): Promise<string[]> {
    return this.#config.forward === undefined ? [] : this.#applyForwards(this.#config);
  }

  async #applyForwards({ forward = [] }: Config): Promise<string[]> {
    this.#forward ??= new ForwardHost({ driver: this.#driver, ids: this.#ids });
    return (await this.#forward.apply(forward)).map(explainBindFailure);
  }

  async #openWireguard(): Promise<string[]> {
    const { wireguard } = this.#config;
    if (wireguard === undefined) return [];
    const own = ownAddresses();
    this.#wireguard = new WireguardHost({
      config: this.#config,
      wireguard,
      listeners: planListeners(wireguard.listen, this.#usesDefaultWireguardListeners, own),
      ownAddresses: own.map(({ address }) => address),
      secrets: this.#secrets,
      driver: this.#driver,
      ids: this.#ids,
      blocks: this.#blocks,
      log: this.#log,
    });
    return (await this.#wireguard.open()).map(explainBindFailure);
  }

  async #openPair(): Promise<string[]> {
    const { pair } = this.#config;
    if (pair === undefined) return [];
    this.#pair = new PairHost({
      config: this.#config,
      pair,
      listeners: planListeners(pair.listen, this.#usesDefaultPairListeners, ownAddresses()),
      secrets: this.#secrets,
      driver: this.#driver,
      ids: this.#ids,
      log: this.#log,
    });
    return (await this.#pair.open()).map(explainBindFailure);
  }

  #logEvent(service: ServiceName, { level, name, fields }: ServiceEvent): void {
    this.#log[level](name, { service, ...fields });
  }
}
