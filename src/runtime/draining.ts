import type { Log } from '../control/log/log.ts';
import type { Drainable, Service } from '../service/service.ts';
import type { Driver } from './driver.ts';

/**
 * Lets services come to their end: none of them takes anybody new, and the answer comes when nobody is left. Who cannot drain is not
 * waited for and serves on meanwhile.
 */
export async function drainAll(
  driver: Driver,
  services: readonly (Service & Drainable)[],
  log: Log,
  look = LOOK_EVERY,
): Promise<void> {
  for (const service of services) driver.run(service, (now) => service.drain(now));
  const left = () => services.reduce((sum, { clientsLeft }) => sum + clientsLeft, 0);
  if (left() > 0)
    log.info('draining: no new clients, the end comes with the last (a second signal ends at once)', {
      clients: left(),
    });
  while (left() > 0) await new Promise((resolve) => setTimeout(resolve, look));
}

const LOOK_EVERY = 100;
