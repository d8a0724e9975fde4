// In every process of the suite: a test file that does not end is a failure that says what holds it, not a run without an end.
import { isMainThread } from 'node:worker_threads';

/** The slowest file takes three minutes on an idle machine. */
const LIMIT_MINUTES = 12;

if (isMainThread) setTimeout(giveUp, LIMIT_MINUTES * 60_000).unref();

function giveUp() {
  const held = process.getActiveResourcesInfo().join(', ');
  console.error(`${process.argv[1]}: still here after ${LIMIT_MINUTES} minutes, held by: ${held}`);
  process.exit(1);
}
