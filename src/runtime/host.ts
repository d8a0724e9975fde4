import type { Config } from '../control/config/schema.ts';
import type { ListenerAddress } from '../control/config/units.ts';
import type { MetricFamily } from '../control/metrics/exposition.ts';
import type { ServiceMetrics } from '../control/metrics/relay.ts';
import type { Drainable, Managed, Service } from '../service/service.ts';
import type { BindFailure } from './bind-failures.ts';

/** A service in a running relay: its listeners, its settings, its numbers. */
export interface ServiceHost {
  readonly service: Service & Managed & Partial<Drainable>;
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

/** Whether its service can come to an end without cutting anybody off. */
export function isDrainable(service: ServiceHost['service']): service is ServiceHost['service'] & Drainable {
  return service.drain !== undefined;
}
