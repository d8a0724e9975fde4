import { workerData } from 'node:worker_threads';
import { EpollWait } from '../../sys/epoll.ts';
import { EINTR, SystemError } from '../../sys/errno.ts';
import { SubmissionRing } from '../../sys/submission-ring.ts';
import { MOST_MESSAGES } from './egress.ts';
import { Relay } from './relay.ts';
import { QUIT, type WorkerStart } from './worker-start.ts';

function run({ shared, own, epoll, uring }: WorkerStart): void {
  const ring = uring ? openRing() : undefined;
  try {
    serve(new Relay(shared, own, ring), epoll);
  } finally {
    ring?.close();
  }
}

/** Sending goes without it where its memory or its descriptor is not to be had. */
function openRing(): SubmissionRing | undefined {
  try {
    return new SubmissionRing(MOST_MESSAGES);
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

function serve(relay: Relay, epoll: number): void {
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
