import type { Config } from '../control/config/schema.ts';
import type { ListenerAddress } from '../control/config/units.ts';
import type { MetricFamily } from '../control/metrics/exposition.ts';
import type { ServiceMetrics } from '../control/metrics/relay.ts';
import type { Millis } from '../net/time.ts';
import type { Restorable } from '../service/kept.ts';
import type { Drainable, Managed, Service } from '../service/service.ts';
import type { BindFailure } from './bind-failures.ts';

/** A service in a running relay: its listeners, its settings, its numbers. */
export interface ServiceHost {
  readonly service: Service & Managed & Restorable & Drainable;
  /** Its clients never go by themselves, and go on after a restart: nobody waits for the last. */
  readonly keepsClients?: true;
  /** How long an end waits for the last client; absent = until he has gone. */
  readonly patience?: Millis;
  /** How long it waits to hear of clients whom only the engine knows, such as those whose upstream has not answered: no longer than they may stay. */
  readonly untoldPatience?: Millis;
  readonly bound: readonly ListenerAddress[];
  /** Binds every listener; the answer names those that could not be. */
  open(): Promise<BindFailure[]>;
  /** Takes over what needs no restart (reloading.ts says what does); the answer names listeners that could not be opened. */
  update(config: Config): Promise<BindFailure[]>;
  /** To be called before the driver stops. */
  close(): void;
  metrics(): ServiceMetrics;
  collect(): readonly MetricFamily[];
}
