import assert from 'node:assert/strict';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Instance, type InstanceHooks } from '../../src/runtime/instance.ts';
import { askInstance } from '../../src/runtime/instance-client.ts';
import { afterwards } from '../afterwards.ts';
import { waitFor } from '../cli/culvert.ts';
import { temporaryFolder } from '../control/config/rig.ts';

type Context = Parameters<typeof temporaryFolder>[0];

async function claimed(context: Context, changes: Partial<InstanceHooks> = {}) {
  const folder = temporaryFolder(context);
  const calls: string[] = [];
  const hooks: InstanceHooks = {
    busy: () => undefined,
    stop: () => void calls.push('stop'),
    handOver: async () => void calls.push('handOver'),
    succeeded: () => void calls.push('succeeded'),
    resume: () => void calls.push('resume'),
    ...changes,
  };
  const claim = await Instance.claim(folder, hooks);
  assert.ok(claim.ok);
  afterwards(context, () => claim.instance.release());
  return { folder, calls, hooks, instance: claim.instance };
}

describe('a state folder', () => {
  test('belongs to one relay, for its user alone', async (context) => {
    const { folder, hooks, instance } = await claimed(context);
    assert.equal(statSync(join(folder, 'run.sock')).mode & 0o777, 0o600);
    assert.deepEqual(await Instance.claim(folder, hooks), { ok: false, pid: process.pid });
    instance.release();
    const again = await Instance.claim(folder, hooks);
    assert.ok(again.ok);
    again.instance.release();
  });

  test('what a killed relay left is no hindrance', async (context) => {
    const folder = temporaryFolder(context);
    writeFileSync(join(folder, 'run.sock'), '');
    assert.equal(await askInstance(folder, 'hello'), undefined);
    const claim = await Instance.claim(folder, {} as InstanceHooks);
    assert.ok(claim.ok);
    claim.instance.release();
  });

  test('that cannot be used says why', async (context) => {
    const folder = join(temporaryFolder(context), 'none');
    const claim = await Instance.claim(folder, {} as InstanceHooks);
    assert.deepEqual(claim, { ok: false, pid: undefined, code: 'EACCES' });
    const long = join(temporaryFolder(context), 'x'.repeat(120));
    mkdirSync(long);
    const refused = await Instance.claim(long, {} as InstanceHooks);
    assert.deepEqual(refused, { ok: false, pid: undefined, code: 'EINVAL' });
  });
});

describe('whoever asks', () => {
  test('to hand over hears when there is room; an end without "done" has it go on', async (context) => {
    const { folder, calls } = await claimed(context);
    for (const outcome of ['succeeded', 'resume']) {
      const asked = await askInstance(folder, 'handOver');
      assert.equal(asked?.answer.released, true);
      if (outcome === 'succeeded') asked?.say({ done: true });
      asked?.close();
      await waitFor(() => calls.includes(outcome));
    }
    assert.deepEqual(calls, ['handOver', 'succeeded', 'handOver', 'resume']);
  });

  test('to stop is told who does, and sees its end', async (context) => {
    const { folder, calls } = await claimed(context);
    const asked = await askInstance(folder, 'stop');
    assert.deepEqual(asked?.answer, { pid: process.pid });
    assert.deepEqual(calls, ['stop']);
    asked?.close();
  });

  test('while nothing can be done is told so', async (context) => {
    const { folder, calls } = await claimed(context, { busy: () => 'starting' });
    for (const ask of ['stop', 'handOver'] as const) {
      const asked = await askInstance(folder, ask);
      assert.deepEqual(asked?.answer, { pid: process.pid, refused: 'starting' });
    }
    assert.deepEqual(calls, []);
  });

  test('for nonsense is cut off, and harms nobody', async (context) => {
    const { folder, calls } = await claimed(context);
    for (const text of ['nonsense\n', '{"ask":"purge"}\n', '{}\n', '\n', '']) {
      const socket = connect(join(folder, 'run.sock'));
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.resume().on('error', () => {});
      socket.end(text);
      await closed;
    }
    assert.deepEqual(calls, []);
    assert.equal((await askInstance(folder, 'hello'))?.answer.pid, process.pid);
  });
});
