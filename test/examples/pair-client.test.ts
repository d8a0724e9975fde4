import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeHandshake, nonceIn } from '../../examples/pair-client.ts';
import type { Summary } from '../../src/runtime/banner.ts';
import { FLAG_CHALLENGE, FLAG_NONCE } from '../../src/wire/pair/extension.ts';
import { encodeHandshake } from '../../src/wire/pair/handshake.ts';
import { afterwards } from '../afterwards.ts';
import { culvertUp, waitFor } from '../cli/culvert.ts';
import { temporaryFolder } from '../control/config/rig.ts';

const GUID = '0123456789abcdef0123456789abcdef';

test('the example client makes and reads the bytes that the relay does', () => {
  const [guid, key, nonce] = [Buffer.from(GUID, 'hex'), Buffer.alloc(32, 5), Buffer.alloc(24, 6)];
  assert.deepEqual(
    new Uint8Array(makeHandshake(guid, nonce, key)),
    encodeHandshake({ guid: GUID, flags: FLAG_NONCE }, key, nonce),
  );
  const answer = Buffer.from(encodeHandshake({ guid: GUID, flags: FLAG_NONCE | FLAG_CHALLENGE }, key, nonce));
  assert.deepEqual(nonceIn(answer, guid, key), nonce);
  assert.equal(nonceIn(answer, guid, Buffer.alloc(32)), undefined);
  assert.equal(nonceIn(makeHandshake(guid, nonce, key), guid, key), undefined);
});

test('two of them talk through a relay that requires nonces', async (context) => {
  const environment = { CULVERT_STATE: join(temporaryFolder(context), 'state') };
  const sets = ['turn.listen=udp://127.0.0.1:0', 'pair.listen=udp://127.0.0.1:0', 'admin.listen=off'];
  const args = [...sets, 'pair.antiReplay=require'].flatMap((set) => ['--set', set]);
  const running = await culvertUp(context, ['--json', ...args], environment);
  const { listeners, generatedPair } = JSON.parse(running.stdout()) as Summary;
  const port = listeners.find(({ service }) => service === 'pair')?.local.port;
  const clients = [1, 2].map(() => startClient(context, String(port), generatedPair?.secret ?? ''));
  const [one, two] = clients;
  assert.ok(one && two);
  await waitFor(() => one.said().includes(`hello from ${two.child.pid}`));
  await waitFor(() => two.said().includes(`hello from ${one.child.pid}`));
});

function startClient(context: TestContext, port: string, secret: string): { child: ChildProcess; said(): string } {
  const child = spawn(process.execPath, [CLIENT, '127.0.0.1', port, GUID], {
    env: { ...process.env, UDP_RELAY_SECRET_KEY: secret },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  afterwards(context, () => void child.kill('SIGKILL'));
  let said = '';
  child.stdout.on('data', (chunk) => (said += chunk));
  return { child, said: () => said };
}

const CLIENT = fileURLToPath(new URL('../../examples/pair-client.ts', import.meta.url));
