import type { Config } from '../control/config/schema.ts';
import type { Log } from '../control/log/log.ts';
import { trimMalloc } from '../sys/malloc.ts';
import type { Summary } from './banner.ts';
import { type Claimed, type RelayOptions, startRelay } from './compose.ts';
import { Instance, type InstanceHooks } from './instance.ts';
import { type Asked, askInstance } from './instance-client.ts';
import type { Stoppable } from './lifecycle.ts';
import type { Relay } from './relay.ts';

export interface SupervisorOptions extends Omit<RelayOptions, 'claim'> {
  /** Takes the place of the relay that runs with the same state folder, if there is one. */
  readonly takeOver: boolean;
}

export type SupervisorResult =
  | { readonly ok: true; readonly supervisor: Supervisor }
  | { readonly ok: false; readonly reasons: readonly string[] };

/** A relay, and its place in the state folder: it takes that from the one before, and hands it to the next. */
export class Supervisor implements Stoppable {
  readonly #options: SupervisorOptions;
  #relay: Relay | undefined = undefined;
  #instance: Instance | undefined = undefined;
  #busy: string | undefined = 'starting';
  /** Ends the process in order; given once it runs. */
  #end: (reason: string) => void = () => {};

  private constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /**
   * Everything that can be checked is checked before the running relay is asked to make room; when the start fails all the same, that one
   * goes on.
   */
  static async start(options: SupervisorOptions): Promise<SupervisorResult> {
    const supervisor = new Supervisor(options);
    const reasons = await supervisor.#open(options.takeOver);
    return reasons.length === 0 ? { ok: true, supervisor } : { ok: false, reasons };
  }

  /** From now on it can be asked to stop. */
  runs(end: (reason: string) => void): void {
    this.#end = end;
    this.#busy = undefined;
  }

  /** What the start took and nobody uses any more goes back to the system: 1 MB (measured). */
  trimMemory(): void {
    trimMalloc();
  }

  async stop(): Promise<void> {
    this.#busy = 'stopping';
    const relay = this.#relay;
    this.#relay = undefined;
    await relay?.stop();
    this.#instance?.release();
    this.#instance = undefined;
  }

  async drain(): Promise<void> {
    await this.#relay?.drain();
  }

  async reload(): Promise<void> {
    await this.#relay?.reload();
  }

  summary(): Summary {
    if (this.#relay === undefined) throw new Error('no relay runs');
    return this.#relay.summary();
  }

  async #open(takeOver: boolean): Promise<readonly string[]> {
    const { config, log } = this.#options;
    let predecessor: Asked | undefined;
    const result = await startRelay({
      ...this.#options,
      claim: async () => {
        if (takeOver) predecessor = await askForPlace(config, log);
        if (predecessor?.answer.refused !== undefined) return refusal(predecessor, config);
        return this.#claim();
      },
    });
    if (result.ok) {
      this.#relay = result.relay;
      predecessor?.say({ done: true });
      return [];
    }
    this.#instance?.release();
    this.#instance = undefined;
    predecessor?.close();
    return result.reasons;
  }

  /** Without a socket in its state folder a relay can run; beside another one with the same folder it cannot. */
  async #claim(): Promise<Claimed> {
    const { config, log } = this.#options;
    const claim = await Instance.claim(config.state, this.#hooks());
    if (claim.ok) {
      this.#instance = claim.instance;
      return { ok: true, keeps: true };
    }
    if (claim.pid !== undefined) return { ok: false, reason: inUse(config, claim.pid) };
    const fields = { folder: config.state, reason: claim.code };
    log.warn('the state folder cannot be used: clients are not kept over a restart', fields);
    return { ok: true, keeps: false };
  }

  #hooks(): InstanceHooks {
    const { log } = this.#options;
    return {
      busy: () => this.#busy,
      stop: () => this.#end('culvert down'),
      handOver: async () => {
        log.info('handing over to another process');
        await this.stop();
      },
      succeeded: () => this.#end('handed over'),
      resume: () => void this.#resume(),
    };
  }

  async #resume(): Promise<void> {
    const { log } = this.#options;
    log.warn('the other process did not start: this one goes on');
    const reasons = await this.#open(false);
    if (reasons.length > 0) throw new Error(reasons.join('; '));
    this.#busy = undefined;
  }
}

async function askForPlace({ state }: Config, log: Log): Promise<Asked | undefined> {
  const predecessor = await askInstance(state, 'handOver');
  if (predecessor === undefined) log.info('no relay to take over from', { state });
  else log.info('taking over', { from: predecessor.answer.pid });
  return predecessor;
}

function inUse({ state }: Config, pid: number): string {
  return `state folder ${state} is in use by another relay that runs (process ${pid}: stop it by culvert down, take its place by --takeover, or give this one a folder of its own: --set state=DIR)`;
}

function refusal({ answer }: Asked, { state }: Config): Claimed {
  return { ok: false, reason: `${state}: the relay that runs there (process ${answer.pid}) is ${answer.refused}` };
}
