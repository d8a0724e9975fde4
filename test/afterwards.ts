/** What a test tells of its end to: `TestContext` of node:test, or what stands for it. */
export interface Ending {
  after(hook: () => Promise<void>): void;
}

/**
 * Has this done when the test is over: what was begun last ends first, and each ends whatever becomes of the others, whose faults are the
 * test's. Hooks of node:test run in the order in which they were made, and the first that throws is the last that runs: a folder that could
 * not be removed would leave the sockets behind it open, and the process without an end.
 */
export function afterwards(context: Ending, step: () => unknown): void {
  const known = waiting.get(context);
  if (known !== undefined) known.push(step);
  else {
    const steps = [step];
    waiting.set(context, steps);
    context.after(() => runAll(steps));
  }
}

async function runAll(steps: (() => unknown)[]): Promise<void> {
  const faults: unknown[] = [];
  // One by one: a step may add another.
  for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
    try {
      await step();
    } catch (fault) {
      faults.push(fault);
    }
  }
  if (faults.length === 1) throw faults[0];
  if (faults.length > 1) throw new AggregateError(faults, faults.map(String).join('; '));
}

const waiting = new WeakMap<Ending, (() => unknown)[]>();
