import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { onExit } from './cleanup.ts';

/** A command that failed or took too long; the message holds what it wrote to stderr. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

/** Runs a command to its end and gives its stdout. Bounded: after `timeout` milliseconds it is killed. `name` stands for it in errors. */
export async function run(command: readonly string[], timeout = 30_000, name = command.join(' ')): Promise<string> {
  const child = start(command);
  const timer = setTimeout(() => child.kill(), timeout);
  const code = await child.ended;
  clearTimeout(timer);
  if (code !== 0) {
    const said = child.stderr().trim() || child.stdout().trim();
    throw new CommandError(`${name}: ended with ${code ?? 'a signal'}${said === '' ? '' : `: ${said}`}`);
  }
  return child.stdout();
}

export interface Child {
  readonly pid: number;
  /** Exit code; null when a signal ended it. */
  readonly ended: Promise<number | null>;
  readonly hasEnded: () => boolean;
  /** Settles when its stdout holds the text, or it has ended. */
  readonly says: (text: string) => Promise<void>;
  /** The last 64 KiB of each. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly kill: (signal?: NodeJS.Signals) => void;
  /** SIGTERM, and SIGKILL when that is not enough within three seconds. */
  readonly stop: () => Promise<void>;
}

/** Starts a command that never outlives this process. */
export function start(command: readonly string[], environment: NodeJS.ProcessEnv = process.env): Child {
  const [file = '', ...args] = command;
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env: environment });
  const forget = onExit(() => child.kill('SIGKILL'));
  const ended = (async () => {
    try {
      const [code] = (await once(child, 'close')) as [number | null];
      return code;
    } catch (error) {
      throw new CommandError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      forget();
    }
  })();
  ended.catch(() => undefined);
  const stdout = collect(child.stdout);
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  return {
    pid: child.pid ?? 0,
    ended,
    hasEnded,
    says: async (text) => {
      while (!stdout().includes(text) && !hasEnded()) await sleep(20);
    },
    stdout,
    stderr: collect(child.stderr),
    kill: (signal = 'SIGKILL') => child.kill(signal),
    stop: () => stop(child, ended),
  };
}

function collect(stream: ChildProcess['stdout']): () => string {
  let text = '';
  stream?.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-65_536);
  });
  return () => text;
}

async function stop(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  const timer = setTimeout(() => child.kill('SIGKILL'), 3000);
  child.kill('SIGTERM');
  await ended;
  clearTimeout(timer);
}
