import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { PATIENCE_MILLIS } from '../../patience.ts';

/** A child process whose whole output is kept, for the assertion that fails. */
export interface Child {
  readonly process: ChildProcess;
  output(): string;
  /** Undefined while it runs. */
  ended(): Ended | undefined;
  /** SIGTERM, then SIGKILL when it does not listen. */
  stop(): Promise<void>;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const STOP_PATIENCE_MILLIS = 5000;

export interface ChildOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Default: none. */
  readonly stdin?: 'pipe';
}

export function startChild(command: string, args: readonly string[], options: ChildOptions = {}): Child {
  const { stdin = 'ignore', ...rest } = options;
  const child = spawn(command, args, { stdio: [stdin as 'ignore', 'pipe', 'pipe'], ...rest });
  const chunks: string[] = [];
  let ended: Ended | undefined;
  child.stdout.setEncoding('utf8').on('data', (text: string) => chunks.push(text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => chunks.push(text));
  child.on('error', (error) => {
    chunks.push(`${command}: ${error.message}\n`);
    ended ??= { code: null, signal: null };
  });
  child.on('close', (code, signal) => {
    ended = { code, signal };
  });
  return {
    process: child,
    output: () => chunks.join(''),
    ended: () => ended,
    async stop() {
      if (ended !== undefined || child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'close');
      child.kill('SIGTERM');
      const harder = setTimeout(() => child.kill('SIGKILL'), STOP_PATIENCE_MILLIS);
      await gone;
      clearTimeout(harder);
    },
  };
}

/** Runs to its end, or kills it and says so by the signal. */
export async function runChild(
  command: string,
  args: readonly string[],
  timeout: number,
  options: ChildOptions = {},
): Promise<Ended & { output: string }> {
  const child = startChild(command, args, options);
  const deadline = setTimeout(() => child.process.kill('SIGKILL'), timeout);
  try {
    await waitFor(() => child.ended() !== undefined, `${command} to end`, { patience: timeout + STOP_PATIENCE_MILLIS });
  } finally {
    clearTimeout(deadline);
  }
  return { ...(child.ended() ?? { code: null, signal: null }), output: child.output() };
}

interface Waiting {
  /** Milliseconds. */
  readonly patience?: number;
  /** Who is to bring it about: when it has ended nothing is waited for, and a failure tells what it said. */
  readonly child?: Child;
}

/** Asks again and again until it is so; throws when it does not come about. */
export async function waitFor(
  isSo: () => boolean | Promise<boolean>,
  what: string,
  { patience = PATIENCE_MILLIS, child }: Waiting = {},
): Promise<void> {
  const end = Date.now() + patience;
  const fail = (why: string): never => {
    throw new Error(child === undefined ? why : `${why}; it said: ${child.output()}`);
  };
  while (!(await isSo())) {
    const ended = child?.ended();
    if (ended !== undefined) fail(`ended (${ended.signal ?? ended.code}) before ${what}`);
    if (Date.now() > end) fail(`waited ${patience} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
