import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { afterwards } from '../afterwards.ts';

const modules = new URL('../../src/', import.meta.url);

/** A process whose relay stops as `stop` says; it prints "up" when its signals are set. */
function startProcess(context: { after(hook: () => void): void }, stop: string, then = ''): ChildProcess {
  const program = `
    import { openLog } from '${modules.href}control/log/log.ts';
    import { logCrashes, runUntilStopped } from '${modules.href}runtime/lifecycle.ts';
    const log = await openLog({ level: 'info', format: 'json' });
    logCrashes(log);
    runUntilStopped({ stop: ${stop}, drain: async () => {}, reload: () => log.info('reloaded') }, log);
    setInterval(() => {}, 1000);
    process.stdout.write('up');
    ${then}
  `;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  afterwards(context, () => void child.kill('SIGKILL'));
  return child;
}

async function endOf(child: ChildProcess): Promise<{ code: number | null; log: Record<string, unknown>[] }> {
  let text = '';
  child.stderr?.on('data', (chunk) => (text += chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  return {
    code,
    log: text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  };
}

async function logged(child: ChildProcess, message: string): Promise<void> {
  let text = '';
  while (!text.includes(message)) text += (await once(child.stderr ?? child, 'data'))[0];
}

describe('signals', () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`${signal} ends with 0 once everything is closed`, async (context) => {
      const child = startProcess(context, '() => new Promise((done) => setTimeout(done, 50))');
      await once(child.stdout ?? child, 'data');
      child.kill(signal);
      const { code, log } = await endOf(child);
      assert.equal(code, 0);
      assert.deepEqual(
        log.map(({ msg }) => msg),
        ['stopping', 'stopped'],
      );
    });
  }

  for (const [signal, expected] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const) {
    test(`a second one (${signal}) does not wait`, async (context) => {
      const child = startProcess(context, '() => new Promise(() => {})');
      await once(child.stdout ?? child, 'data');
      const stopping = logged(child, 'stopping');
      child.kill('SIGTERM');
      await stopping;
      await setTimeout(60);
      const told = logged(child, 'a second signal: ending at once');
      child.kill(signal);
      const [[code]] = await Promise.all([once(child, 'close'), told]);
      assert.equal(code, expected);
    });
  }

  test('an echo of the first, as npm makes one of Ctrl-C, is not a second one', async (context) => {
    // Heard one right after the other, however long they were on their way.
    const twice = 'for (let n = 0; n < 2; n++) process.emit("SIGINT", "SIGINT");';
    const child = startProcess(context, '() => new Promise((resolve) => setTimeout(resolve, 200))', twice);
    assert.equal((await once(child, 'close'))[0], 0);
  });

  test('SIGHUP reads again', async (context) => {
    const child = startProcess(context, 'async () => {}');
    await once(child.stdout ?? child, 'data');
    const reloaded = logged(child, 'reloaded');
    child.kill('SIGHUP');
    await reloaded;
    assert.equal(child.exitCode, null);
  });
});

describe('what nobody caught', () => {
  for (const [name, then, message] of [
    ['an exception', 'setTimeout(() => { throw new Error("broken"); }, 1);', 'uncaught exception'],
    ['a rejection', 'Promise.reject(new Error("broken"));', 'unhandled rejection'],
    ['a stop that fails', 'process.kill(process.pid, "SIGTERM");', 'stop failed'],
  ] as const) {
    test(`${name} is logged with its stack, exit code 1`, async (context) => {
      const { code, log } = await endOf(startProcess(context, 'async () => { throw new Error("broken"); }', then));
      assert.equal(code, 1);
      const last = log.at(-1);
      assert.deepEqual([last?.level, last?.msg], ['fatal', message]);
      assert.match(String(last?.stack), /Error: broken.*at /);
    });
  }
});
