import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Answers } from '../../../src/engine/batched/streams/answers.ts';
import type { WorkerLink } from '../../../src/engine/batched/streams/link.ts';
import { Seats } from '../../../src/engine/batched/streams/seats.ts';

const [WORKERS, LISTENERS, MOST] = [3, 4, 5];

test('places are given out to the last, and a worker that is gone gives back its own, whatever came before', () => {
  const worker = fc.nat(WORKERS - 1);
  const listener = fc.nat(LISTENERS - 1);
  const act = fc.record({
    what: fc.constantFrom('take', 'take', 'leave', 'die', 'stand', 'turn', 'turn', 'owe'),
    worker,
    listener,
  });
  fc.assert(
    fc.property(fc.array(act, { maxLength: 200 }), (acts) => {
      const memory = new SharedArrayBuffer(Seats.bytes(LISTENERS, WORKERS));
      const seats = Array.from({ length: WORKERS }, (_, own) => new Seats(memory, WORKERS, own));
      const main = new Seats(memory, WORKERS);
      const counts = Array.from({ length: WORKERS }, () => new Array<number>(LISTENERS).fill(0));
      const versions = new Array<number>(LISTENERS).fill(0);
      const owed = new Array<number>(WORKERS).fill(0);
      const turns = new Array<number>(LISTENERS).fill(0);
      const taken = (at: number): number => counts.reduce((sum, own) => sum + (own[at] ?? 0), 0);
      for (const { what, worker, listener } of acts) {
        const own = counts[worker] ?? assert.fail();
        const before = own[listener] ?? assert.fail();
        if (what === 'take') {
          const expected = taken(listener) < MOST ? taken(listener) + 1 : 0;
          assert.equal(seats[worker]?.take(listener, MOST), expected);
          if (expected > 0) own[listener] = before + 1;
        } else if (what === 'leave' && before > 0) {
          seats[worker]?.leave(listener);
          own[listener] = before - 1;
        } else if (what === 'die') {
          main.forget(worker);
          own.fill(0);
          owed[worker] = 0;
        } else if (what === 'owe') {
          owed[worker] = listener;
          seats[worker]?.owe(listener);
        } else if (what === 'stand') {
          versions[listener] = main.nextVersion(listener);
          turns[listener] = 0;
        } else if (what === 'turn') {
          const turn = turns[listener] ?? 0;
          assert.equal(seats[worker]?.takeTurn(listener), turn);
          turns[listener] = turn + 1;
        }
        assert.equal(
          main.owed,
          owed.reduce((sum, each) => sum + each, 0),
        );
        for (let at = 0; at < LISTENERS; at++) {
          assert.equal(main.taken(at), taken(at));
          assert.equal(seats[worker]?.version(at), versions[at]);
        }
      }
    }),
  );
});

test('a question is answered when each worker has answered once, or is gone', () => {
  const answers = new Answers();
  const [one, two] = [{} as WorkerLink, {} as WorkerLink];
  const done: string[] = [];
  answers.ask(1, [one, two], () => done.push('both'));
  answers.answered(1, one);
  answers.answered(1, one);
  answers.answered(2, two);
  answers.gone(one);
  assert.equal(done.length, 0);
  answers.gone(two);
  assert.deepEqual(done, ['both']);
  answers.ask(3, [], () => done.push('nobody'));
  answers.ask(4, [one], () => done.push('the end'));
  answers.end();
  answers.answered(4, one);
  assert.deepEqual(done, ['both', 'nobody', 'the end']);
});
