import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Summary } from '../../src/runtime/banner.ts';
import { temporaryFolder } from '../control/config/rig.ts';
import { culvert, culvertUp, waitFor } from './culvert.ts';

test('SIGHUP takes over new users of turn', async (context) => {
  const folder = temporaryFolder(context);
  const file = join(folder, 'culvert.yaml');
  const write = (users: string) =>
    writeFileSync(
      file,
      `turn: { listen: "udp://127.0.0.1:0", users: { ${users} }, peers: { allow: [127.0.0.0/8] } }\nadmin: { listen: "off" }\n`,
    );
  write('alice: first');
  const running = await culvertUp(context, ['--json', '--config', file], { CULVERT_STATE: join(folder, 'state') });
  const { listeners } = JSON.parse(running.stdout()) as Summary;
  const probe = async (password: string) =>
    (await culvert(['probe', `turn:127.0.0.1:${listeners[0]?.local.port}`, '--user', 'alice', '--password', password]))
      .code;
  assert.equal(await probe('first'), 0);
  write('alice: second');
  running.child.kill('SIGHUP');
  await waitFor(() => running.stderr().includes('configuration read again'));
  assert.deepEqual([await probe('first'), await probe('second')], [1, 0]);
});
