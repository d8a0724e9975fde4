import { setImmediate } from 'node:timers/promises';
import { openLocal } from '../control/admin/local-socket.ts';
import type { ReloadReport, ResumeOutcome } from '../control/admin/operations.ts';
import { type AdminServer, openAdmin, serveApi } from '../control/admin/server.ts';
import type { Config } from '../control/config/schema.ts';
import type { ProcessLog } from '../control/log/log.ts';
import { EXPOSITION_TYPE, expose } from '../control/metrics/exposition.ts';
import { collectProcess } from '../control/metrics/process.ts';
import { collectBlocks, collectBuild, collectEngine } from '../control/metrics/relay.ts';
import type { StateSecrets } from '../control/state/secrets.ts';
import { readVersion } from '../control/version.ts';
import type { ServiceName } from '../flow/flow.ts';
import { IdSource } from '../net/ids.ts';
import type { Common } from '../service/common.ts';
import type { ServiceEvent } from '../service/service.ts';
import { ownAddresses } from './addresses.ts';
import { AskedAddresses } from './asked-addresses.ts';
import type { Summary } from './banner.ts';
import { bindFailureOf, explainBindFailure } from './bind-failures.ts';
import { Blocks } from './blocks.ts';
import type { RelayOptions } from './compose.ts';
import { drainAll } from './draining.ts';
import { Driver } from './driver.ts';
import { OBSTACLES } from './engine-plan.ts';
import type { ChosenEngine } from './engines.ts';
import type { ServiceHost } from './host.ts';
import { type Hosts, makeForward, makeHosts } from './hosts.ts';
import { InheritedSockets } from './inherited-sockets.ts';
import { Keeper } from './keeper.ts';
import type { Stoppable } from './lifecycle.ts';
import { Operating } from './operating.ts';
import { planTurn, type TurnPlan } from './plan.ts';
import { compareConfigs } from './reloading.ts';
import { resolveName } from './resolver.ts';
import { SteadyClock } from './steady-clock.ts';
import { summarize } from './summary.ts';
import { transparencyObstacle } from './transparency.ts';

/** A relay that runs in this process. */
export class Relay implements Stoppable {
  readonly #options: RelayOptions;
  /** What was taken over last; what needs a restart is as it was at the start. */
  #running: Config;
  readonly #log: ProcessLog;
  readonly #secrets: StateSecrets;
  readonly #secretsKept: boolean;
  readonly #plan: TurnPlan;
  readonly #ids = new IdSource();
  readonly #inherited = InheritedSockets.fromEnvironment(process.env);
  readonly #chosen: ChosenEngine;
  readonly #driver: Driver;
  readonly #version = readVersion();
  readonly #blocks: Blocks;
  readonly #common: Common;
  readonly #operating: Operating;
  #state: 'starting' | 'ready' | 'draining' | 'stopping' = 'starting';
  #hosts: Hosts = { turn: undefined, wireguard: undefined, pair: undefined, forward: undefined };
  #admin: AdminServer | undefined;
  #closeLocal: (() => Promise<void>) | undefined;
  #keeper: Keeper | undefined;
  /** The drain is that of an end, which nobody can take back. */
  #ends = false;
  /** The kernel goes on with what the next process will know. */
  #leaves = false;
  /** Reloads that overlap are done one after the other. */
  #lastReload: Promise<unknown> = Promise.resolve();

  constructor(options: RelayOptions, chosen: ChosenEngine, secrets: StateSecrets, secretsKept: boolean) {
    const { config, defaults, log } = options;
    this.#options = options;
    this.#running = config;
    this.#log = log;
    this.#secrets = secrets;
    this.#secretsKept = secretsKept;
    this.#plan = planTurn(config, defaults.turn, ownAddresses());
    this.#chosen = chosen;
    const steady = new SteadyClock();
    const clock = () => steady.now();
    this.#driver = new Driver({
      ids: this.#ids,
      createEngine: (sink) => this.#chosen.create(sink, this.#ids),
      onEvent: (service, event) => this.#logEvent(service, event),
      resolve: resolveName,
      inherit: (spec) => this.#inherited.take(spec),
      clock,
    });
    const { engine } = this.#driver;
    this.#blocks = new Blocks({ config, log, clock, apply: () => this.#applyBlocks() });
    const asked = new AskedAddresses(engine, config.public);
    this.#common = {
      blocks: this.#blocks.list,
      flows: { read: (flow) => engine.flowCounters(flow) },
      streamBytes: (stream) => engine.streamBytes(stream),
      askedAddress: (listener, client) => asked.of(listener, client),
    };
    this.#operating = new Operating({
      version: this.#version,
      stateFolder: config.state,
      engineWhy: this.#chosen.why,
      driver: this.#driver,
      blocks: this.#blocks,
      hosts: () => this.#allHosts(),
      forward: () => this.#hosts.forward,
      admin: () => this.#admin?.local,
      state: () => this.#state,
      reload: () => this.reload(),
      drain: () => this.#refuseNew(),
      resume: () => this.#takeAgain(),
    });
  }

  /**
   * The admin listeners come first, so that they can say that the others are not ready yet. Nobody is listened to before all that was kept is
   * restored.
   */
  async open(keeps: boolean): Promise<string[]> {
    const inUse = await this.#openLocal();
    // Ports would be in use as well, and none of them is the point.
    if (inUse !== undefined) return [inUse];
    const reasons = await this.#openAdmin();
    this.#driver.hold();
    this.#hosts = await makeHosts(this.#parts());
    for (const host of this.#allHosts()) reasons.push(...(await host.open()).map(explainBindFailure));
    for (const socket of this.#inherited.left) {
      this.#log.warn('a socket was handed over that no listener names', { socket });
    }
    if (reasons.length > 0) return reasons;
    if (keeps) this.#restore();
    await this.#settle();
    this.#keeper?.start();
    this.#driver.release();
    this.#state = 'ready';
    return reasons;
  }

  /**
   * Not ready first, then the listeners, the admin listeners last: whoever balances load sees it coming. No client is told anything: all of
   * them are written down, and go on with the next process.
   */
  async stop(): Promise<void> {
    this.#state = 'stopping';
    for (const host of this.#allHosts()) host.close();
    this.#blocks.close();
    await this.#keeper?.settle();
    this.#driver.freeze();
    await this.#keeper?.finish();
    await this.#driver.stop(this.#leaves);
    await Promise.all([this.#keeper?.close(), this.#admin?.close(), this.#closeLocal?.()]);
  }

  #restore(): void {
    const { config, log } = this.#options;
    this.#keeper = new Keeper({ folder: config.state, driver: this.#driver, log });
    this.#keeper.restore(this.#allHosts().map(({ service }) => service));
  }

  /** The engine has had time to answer for restored ports, and what an earlier process left in the kernel is taken over or gone. */
  async #settle(): Promise<void> {
    const { engine } = this.#driver;
    const { log } = this.#options;
    await setImmediate();
    if (engine.settle !== undefined) {
      const dropped = await engine.settle();
      if (dropped > 0) log.info('flows of an earlier process that nobody has now are out of the kernel', { dropped });
    } else if (this.#keeper !== undefined) {
      const removed = this.#chosen.traces.remove();
      if (removed.length > 0) log.info('what an xdp engine had left in the kernel is removed', { removed });
    }
    this.#leaves = this.#keeper !== undefined;
  }

  /** Not ready, and nobody new; resolves when the last is gone. */
  async drain(): Promise<void> {
    this.#state = 'draining';
    this.#ends = true;
    await drainAll(this.#driver, this.#allHosts(), this.#log);
  }

  /** Certificates, and what services take over while they run; a faulty configuration changes nothing. */
  reload(): Promise<ReloadReport> {
    const done = this.#lastReload.then(() => this.#reload());
    this.#lastReload = done.catch(() => {});
    return done;
  }

  summary(): Summary {
    return summarize({
      version: this.#version,
      config: this.#options.config,
      plan: this.#plan,
      secrets: this.#secrets,
      secretsKept: this.#secretsKept,
      engine: this.#driver.engine,
      engineWhy: this.#chosen.why,
      hosts: this.#hosts,
      admin: this.#admin?.local,
    });
  }

  async #reload(): Promise<ReloadReport> {
    this.#hosts.turn?.reloadTls();
    const read = await this.#options.reread?.();
    const nothing = { changed: [], needsRestart: [], faults: [], warnings: [], failures: [] };
    if (read === undefined) return { ok: true, ...nothing };
    const faults = read.ok ? this.#beyondReach(read.config) : read.faults;
    if (!read.ok || faults.length > 0) {
      for (const fault of faults) this.#log.error(fault);
      this.#log.error('the configuration was not taken over, what runs goes on');
      return { ok: false, ...nothing, faults };
    }
    const { config, warnings } = read;
    for (const warning of warnings) this.#log.warn(warning);
    const { now, afterRestart } = compareConfigs(this.#options.config, this.#running, config);
    this.#running = config;
    const failures = await this.#takeOver(config);
    for (const failure of failures) this.#log.error(failure);
    if (afterRestart.length > 0) this.#log.warn('these settings need a restart', { keys: afterRestart });
    this.#log.info('configuration read again', { changed: now });
    return { ok: failures.length === 0, ...nothing, changed: now, needsRestart: afterRestart, warnings, failures };
  }

  /** What it asks for and this process, with the engine that it has, cannot do. */
  #beyondReach(config: Config): string[] {
    const unfit = this.#driver.engine.name === 'portable' ? { detail: 'the relay runs on portable' } : undefined;
    const obstacle = transparencyObstacle(config, () => unfit ?? OBSTACLES.batched());
    return obstacle === undefined ? [] : [`${obstacle.detail} (${obstacle.fix})`];
  }

  async #takeOver(config: Config): Promise<string[]> {
    this.#log.setLevel(config.log.level);
    this.#blocks.configure(config.limits.block);
    if (config.forward !== undefined && this.#hosts.forward === undefined) {
      this.#hosts = { ...this.#hosts, forward: await makeForward({ ...this.#parts(), config }) };
      if (this.#state === 'draining') this.#drainEndlessly(this.#hosts.forward);
    }
    const failures: string[] = [];
    for (const host of this.#allHosts()) failures.push(...(await host.update(config)).map(explainBindFailure));
    return failures;
  }

  /** The same for a relay that runs on: nobody is cut off, and nobody waits. */
  #refuseNew(): void {
    if (this.#state !== 'ready') return;
    this.#state = 'draining';
    this.#log.info('draining: no new clients');
    for (const host of this.#allHosts()) this.#drainEndlessly(host);
  }

  #drainEndlessly(host: ServiceHost | undefined): void {
    if (host !== undefined) this.#driver.run(host.service, (now) => host.service.drain(now, 'endless'));
  }

  #takeAgain(): ResumeOutcome {
    if (this.#ends || this.#state === 'stopping') return { ok: false, reason: 'the relay is about to end' };
    if (this.#state !== 'draining') return { ok: true, undone: false };
    this.#state = 'ready';
    this.#log.info('the drain is undone: new clients are taken');
    for (const { service } of this.#allHosts()) this.#driver.run(service, (now) => service.resume(now));
    return { ok: true, undone: true };
  }

  #parts() {
    return {
      config: this.#options.config,
      defaults: this.#options.defaults,
      plan: this.#plan,
      secrets: this.#secrets,
      driver: this.#driver,
      ids: this.#ids,
      common: this.#common,
      admin: this.#admin?.local,
      log: this.#log,
    };
  }

  #allHosts(): ServiceHost[] {
    const { turn, wireguard, pair, forward } = this.#hosts;
    return [turn, wireguard, pair, forward].filter((host) => host !== undefined);
  }

  #applyBlocks(): void {
    for (const { service } of this.#allHosts()) this.#driver.run(service, (now) => service.applyBlocks(now));
  }

  /** The reason when another relay has the state folder. */
  async #openLocal(): Promise<string | undefined> {
    const result = await openLocal(this.#options.config.state, (request, response) =>
      serveApi(request, response, this.#operating, (error) => this.#onAdminError(error)),
    );
    if (result.ok) this.#closeLocal = result.close;
    else if (result.failure === 'in-use') return result.reason;
    else this.#log.warn(result.reason);
    return undefined;
  }

  async #openAdmin(): Promise<string[]> {
    const { listen, token } = this.#options.config.admin;
    if (listen === undefined) return [];
    const collectors = [
      collectBuild(this.#version),
      collectEngine(this.#driver.engine),
      collectBlocks(() => this.#blocks.size),
      () => this.#allHosts().flatMap((host) => host.collect()),
      collectProcess,
    ];
    try {
      this.#admin = await openAdmin({
        listen,
        token,
        notReady: () => (this.#state === 'ready' ? undefined : this.#state),
        metrics: () => expose(collectors),
        metricsType: EXPOSITION_TYPE,
        operations: this.#operating,
        onError: (error) => this.#onAdminError(error),
      });
      return [];
    } catch (error) {
      return [explainBindFailure({ key: 'admin.listen', transport: 'http', local: listen, ...bindFailureOf(error) })];
    }
  }

  #onAdminError(error: unknown): void {
    this.#log.error('an admin request failed', { error: String(error) });
  }

  #logEvent(service: ServiceName, { level, name, fields }: ServiceEvent): void {
    this.#log[level](name, { service, ...fields });
  }
}
