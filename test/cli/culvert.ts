import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterwards } from '../afterwards.ts';
import { PATIENCE_MILLIS } from '../patience.ts';

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Context {
  after(hook: () => void | Promise<void>): void;
}

/** Runs `culvert` to its end. Nothing of our own environment's settings reaches it. */
export async function culvert(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Finished> {
  const running = start(args, environment);
  const [code] = (await once(running.child, 'close')) as [number | null];
  return { code, stdout: running.stdout(), stderr: running.stderr() };
}

export interface Running {
  readonly child: ChildProcess;
  stdout(): string;
  stderr(): string;
  /** Exit code, or the signal that ended it. */
  ended(): Promise<number | string | null>;
}

/** Starts `culvert up` and waits for its banner; ended after the test whatever happens. */
export async function culvertUp(context: Context, args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  const running = start(['up', ...args, ...awayFromDefaults(args)], environment);
  afterwards(context, async () => {
    if (running.child.exitCode === null && running.child.signalCode === null) running.child.kill('SIGKILL');
    await running.ended();
  });
  await waitFor(
    () => running.stdout().includes('\n'),
    PATIENCE_MILLIS,
    () => `no banner: ${running.stderr()}`,
    running.child,
  );
  return running;
}

/** Without a file all services are on, at their default ports: those that the test does not speak of go to free ones, for tests run side by side. */
function awayFromDefaults(args: readonly string[]): string[] {
  const given = args.join(' ');
  if (given.includes('--config') || given.includes('--env-file')) return [];
  const others = ['wireguard', 'pair'].filter(
    (service) => !given.includes(`${service}.`) && !given.includes(`${service}=`),
  );
  return others.flatMap((service) => ['--set', `${service}.listen=udp://127.0.0.1:0`]);
}

/** Polls until it holds; fails with what `explain` says, or when the child ends. */
export async function waitFor(
  holds: () => boolean | Promise<boolean>,
  timeout = PATIENCE_MILLIS,
  explain: () => string = () => 'it never held',
  child?: ChildProcess,
): Promise<void> {
  const deadline = Date.now() + timeout;
  while (!(await holds())) {
    if (Date.now() > deadline || child?.exitCode != null) throw new Error(explain());
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Runs `culvert` beside the test, which may look at what it has said so far and must see it end. */
export function start(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Running {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(CULVERT_|NODE_)/.test(name));
  const child = spawn(process.execPath, [LAUNCHER, ...args], {
    env: { ...Object.fromEntries(inherited), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk));
  const ended = once(child, 'close') as Promise<[number | null, string | null]>;
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    ended: async () => {
      const [code, signal] = await ended;
      return signal ?? code;
    },
  };
}

const LAUNCHER = fileURLToPath(new URL('../../bin/culvert.mjs', import.meta.url));
