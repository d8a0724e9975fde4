import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { openLocal } from '../../../src/control/admin/local-socket.ts';
import { temporaryFolder } from '../config/rig.ts';

async function ask(folder: string): Promise<string> {
  const sent = request({ socketPath: join(folder, 'admin.sock'), path: '/', agent: false }).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response) text += chunk;
  return text;
}

test('is for its user alone, from the first moment, and goes when it is closed', async (context) => {
  const folder = temporaryFolder(context);
  const before = process.umask();
  const local = await openLocal(folder, (_, response) => response.end('here'));
  assert.ok(local.ok);
  assert.equal(process.umask(), before);
  assert.equal(statSync(join(folder, 'admin.sock')).mode & 0o777, 0o600);
  assert.equal(await ask(folder), 'here');
  await local.close();
  assert.equal(existsSync(join(folder, 'admin.sock')), false);
});

test('one that answers stays, one that does not is replaced', async (context) => {
  const folder = temporaryFolder(context);
  const first = await openLocal(folder, (_, response) => response.end('first'));
  assert.ok(first.ok);
  const second = await openLocal(folder, (_, response) => response.end('second'));
  assert.equal(!second.ok && second.failure, 'in-use');
  assert.equal(await ask(folder), 'first');
  await first.close();
  // What a crash leaves, and what is no socket at all: nobody answers there.
  writeFileSync(join(folder, 'admin.sock'), '');
  const third = await openLocal(folder, (_, response) => response.end('third'));
  assert.ok(third.ok);
  assert.equal(await ask(folder), 'third');
  await third.close();
});

test('of several that start at once over a stale one, one wins', async (context) => {
  const folder = temporaryFolder(context);
  for (let round = 0; round < 5; round++) {
    writeFileSync(join(folder, 'admin.sock'), '');
    const results = await Promise.all(
      [1, 2, 3].map((name) => openLocal(folder, (_, response) => response.end(`${name}`))),
    );
    const winners = results.filter(({ ok }) => ok);
    assert.equal(winners.length, 1, JSON.stringify(results));
    assert.match(await ask(folder), /^[123]$/);
    for (const winner of winners) if (winner.ok) await winner.close();
  }
});

test('without a folder it is a reason, no failure', async (context) => {
  const local = await openLocal(join(temporaryFolder(context), 'none'), () => {});
  assert.equal(!local.ok && local.failure, 'unavailable');
});
