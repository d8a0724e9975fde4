// A bounded run of what "npm run fuzz" does for hours: whatever is sent, the service neither throws nor breaks an invariant, and forgets.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BrokenInvariant, OrderChecker } from './fuzz-checker.ts';
import { FuzzRun } from './fuzz-run.ts';

const MESSAGES = 100_000;
const SEED_OF_THIS_RUN: number = Date.now() % 2 ** 31;

describe('the TURN service under mutated messages', () => {
  test('the same run every time', () => {
    fuzz(1, MESSAGES);
  });

  test(`another run every time (seed ${SEED_OF_THIS_RUN})`, () => {
    fuzz(SEED_OF_THIS_RUN, MESSAGES);
  });

  test('a seed gives the same run again', () => {
    const [one, other] = [0, 1].map(() => fuzz(7, 5000).ordersTaken);
    assert.equal(one, other);
  });

  test('the run reaches what it is there for', () => {
    const run = new FuzzRun({ seed: 2, reconfigureEvery: 0, restartEvery: 0 });
    for (let message = 0; message < 60_000; message++) run.step();
    const { drops, responses } = run.service.stats();
    for (const method of ['binding', 'allocate', 'refresh', 'create_permission', 'channel_bind']) {
      const answered = responses.find((response) => response.method === method && response.code === 0)?.count ?? 0;
      assert.ok(answered > 100, `${method} succeeded ${answered} times`);
    }
    const codes = new Set(responses.map(({ code }) => code));
    for (const code of [400, 401, 403, 420, 437, 438, 440, 441, 443, 486, 508])
      assert.ok(codes.has(code), `no ${code}`);
    for (const reason of ['over-budget', 'no-permission', 'stream-garbage', 'replayed-nonce'] as const) {
      assert.ok(drops.get(reason) > 0, `no ${reason}`);
    }
    const { to_peer, to_client } = run.service.stats().relayed;
    assert.ok(to_peer.packets > 100 && to_client.packets > 100, 'no data was relayed');
  });

  test('the checker notices', () => {
    const checker = new OrderChecker(new Map(), () => false);
    assert.throws(() => checker.take({ type: 'closePort', socket: 1 as never }), BrokenInvariant);
    assert.throws(() => checker.take({ type: 'removeFlow', flow: 1 as never }), BrokenInvariant);
  });
});

function fuzz(seed: number, messages: number): FuzzRun {
  const run = new FuzzRun({ seed, reconfigureEvery: 3000, restartEvery: 25_000 });
  try {
    while (run.messages < messages) run.step();
    run.finish();
  } catch (cause) {
    throw new Error(`broken: seed ${seed}, message ${run.messages}, last input ${run.lastInput}`, { cause });
  }
  return run;
}
