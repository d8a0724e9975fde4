const steps: (() => void)[] = [];
let armed = false;

/**
 * Runs `step` when the process ends, however it ends short of SIGKILL; the last one first. Steps are synchronous.
 * The result runs it now instead.
 */
export function onExit(step: () => void): () => void {
  arm();
  steps.push(step);
  return () => {
    const at = steps.indexOf(step);
    if (at < 0) return;
    steps.splice(at, 1);
    step();
  };
}

function arm(): void {
  if (armed) return;
  armed = true;
  process.on('exit', () => {
    for (let step = steps.pop(); step !== undefined; step = steps.pop()) step();
  });
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    // Not once: a second one (a terminal's and npm's) must not cut the tidying up short.
    process.on(signal, () => process.exit(code));
  }
}
