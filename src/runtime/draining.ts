import type { Log } from '../control/log/log.ts';
import type { Millis } from '../net/time.ts';
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
  look: Millis = LOOK_EVERY,
): Promise<void> {
  for (const service of services) driver.run(service, (now) => service.drain(now));
  const left = () => services.reduce((sum, { clientsLeft }) => sum + clientsLeft, 0);
  if (left() > 0)
    log.info('draining: no new clients, the end comes with the last (a second signal ends at once)', {
      clients: left(),
    });
  // An engine may have clients of whom their service has not heard (see net/standing.ts).
  if (services.length > 0) await driver.engine.allTold?.();
  while (left() > 0) await pause(look);
}

function pause(millis: Millis): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, millis));
}

const LOOK_EVERY: Millis = 100;
