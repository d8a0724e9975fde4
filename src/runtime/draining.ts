import type { Log } from '../control/log/log.ts';
import type { Millis } from '../net/time.ts';
import type { Drainable, Service } from '../service/service.ts';
import type { Driver } from './driver.ts';

/** What comes to its end; as in ServiceHost. */
export interface Draining {
  readonly service: Service & Drainable;
  readonly keepsClients?: true;
  readonly patience?: Millis;
  readonly untoldPatience?: Millis;
}

/** Lets services come to their end: none of them takes anybody new, and the answer comes when nobody is left who is still waited for. */
export async function drainAll(
  driver: Driver,
  all: readonly Draining[],
  log: Log,
  look: Millis = LOOK_EVERY,
): Promise<void> {
  for (const { service } of all) driver.run(service, (now) => service.drain(now));
  const begun = performance.now();
  const left = () => {
    const waited = all.filter(({ keepsClients, patience = Number.POSITIVE_INFINITY }) => {
      return keepsClients !== true && performance.now() - begun < patience;
    });
    return waited.reduce((sum, { service }) => sum + service.clientsLeft, 0);
  };
  if (left() > 0)
    log.info('draining: no new clients, the end comes with the last (a second signal ends at once)', {
      clients: left(),
    });
  // An engine may have clients of whom their service has not heard (see net/standing.ts).
  const longest = Math.min(LONGEST_TIMER, ...all.map(({ untoldPatience = LONGEST_TIMER }) => untoldPatience));
  if (all.length > 0 && longest > 0) await within(longest, driver.engine.allTold?.());
  while (left() > 0) await pause(look);
}

/** Resolves with `done`, or when its time is over. */
function within(patience: Millis, done: Promise<void> | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, patience);
    const end = () => {
      clearTimeout(timer);
      resolve();
    };
    Promise.resolve(done).then(end, reject);
  });
}

function pause(millis: Millis): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, millis));
}

/** Of Node. */
const LONGEST_TIMER: Millis = 2 ** 31 - 1;
const LOOK_EVERY: Millis = 100;
