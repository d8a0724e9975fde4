import { workerData } from 'node:worker_threads';
import { EpollWait } from '../../sys/epoll.ts';
import { EINTR, SystemError } from '../../sys/errno.ts';
import { Relay } from './relay.ts';
import { QUIT, type WorkerStart } from './worker-start.ts';

function run({ shared, own, epoll }: WorkerStart): void {
  const relay = new Relay(shared, own);
  const wait = new EpollWait(epoll, MOST_READY);
  const places: number[] = [];
  for (;;) {
    const ready = wait.wait(LONGEST_SLEEP);
    if (ready < 0 && ready !== -EINTR) throw new SystemError('epoll_wait', -ready);
    places.length = 0;
    for (let n = 0; n < ready; n++) places.push(wait.tag(n));
    if (places.includes(QUIT)) return;
    relay.turn(places);
  }
}

const MOST_READY = 256;
/** ms. A thread that is told to end by other means than QUIT looks up after this time. */
const LONGEST_SLEEP = 10_000;

run(workerData as WorkerStart);
