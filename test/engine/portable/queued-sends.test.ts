import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

// A socket buffer that is full cannot be had on loopback, but Node has a switch of its own for tests that makes every datagram wait in
// its queue. So nothing that was given to a socket may change afterwards, and no verdict may rest on a send that ended at once.

test('what the suite says of datagrams holds when Node queues each of them', () => {
  const report = runQueueing('../portable.test.ts', '--test-name-pattern=portable engine (ports|flows) ');
  assert.ok(Number(/pass (\d+)/.exec(report)?.[1]) > 20, report);
});

test('the queue behind a full socket buffer has an end', () => {
  const { queuedBytes, droppedLater } = JSON.parse(runQueueing('long-queue.ts'));
  assert.ok(queuedBytes >= 4 * 1024 * 1024, `${queuedBytes} bytes are less than it should hold`);
  assert.ok(queuedBytes < 5 * 1024 * 1024, `${queuedBytes} bytes are too many`);
  assert.equal(droppedLater, 0);
});

function runQueueing(program: string, ...flags: string[]): string {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const path = fileURLToPath(new URL(program, import.meta.url));
  const run = spawnSync(process.execPath, ['--test-udp-no-try-send', ...flags, path], { env, encoding: 'utf8' });
  assert.equal(run.status, 0, run.stdout + run.stderr);
  return run.stdout;
}
