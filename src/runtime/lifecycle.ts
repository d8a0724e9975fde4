import type { Log } from '../control/log/log.ts';

export interface Stoppable {
  stop(): Promise<void>;
  /** SIGTERM: takes nobody new, and resolves when nobody is left. */
  drain(): Promise<void>;
  /** SIGHUP: reads again what may be read again without a restart. */
  reload(): Promise<unknown>;
}

/**
 * Signals and last words of the process. SIGTERM lets the services drain first, SIGINT does not; both end it cleanly, exit code 0. A second
 * one ends it at once with the code that the shell gives a process killed by it. What nobody caught is logged with its stack, exit code 1:
 * the state is unknown then. What is returned ends it like SIGINT, a drain too.
 */
export function runUntilStopped(relay: Stoppable, log: Log): (reason: string) => void {
  let stoppingSince: number | undefined;
  const begin = (why: Readonly<Record<string, string>>, drains: boolean) => {
    stoppingSince = performance.now();
    log.info('stopping', why);
    end(relay, drains).then(
      () => {
        log.info('stopped');
        process.exit(0);
      },
      (error: unknown) => die('stop failed', error, log),
    );
  };
  const stop = (signal: 'SIGTERM' | 'SIGINT') => {
    if (stoppingSince === undefined) return begin({ signal }, signal === 'SIGTERM');
    if (performance.now() - stoppingSince < ECHO_MILLIS) return;
    log.warn('a second signal: ending at once, without the rest of the stop', { signal });
    process.exit(signal === 'SIGINT' ? 130 : 143);
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
  process.on('SIGHUP', () => {
    log.info('SIGHUP: reading configuration and TLS files again');
    void relay.reload();
  });
  return (reason) => begin({ reason }, false);
}

async function end(relay: Stoppable, drains: boolean): Promise<void> {
  if (drains) await relay.drain();
  await relay.stop();
}

/** From here on nothing ends the process without a line that says why. */
export function logCrashes(log: Log): void {
  process.on('uncaughtException', (error) => die('uncaught exception', error, log));
  process.on('unhandledRejection', (reason) => die('unhandled rejection', reason, log));
}

/** Under npm one Ctrl-C comes twice: from the terminal, and passed on by npm. Nobody presses it twice as fast. */
const ECHO_MILLIS = 50;

function die(message: string, error: unknown, log: Log): never {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  log.fatal(message, { stack: stack.split('\n') });
  process.exit(1);
}
