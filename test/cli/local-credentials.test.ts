import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { localCredentials, localPairSecret } from '../../src/cli/local-credentials.ts';
import { loadOrMakeSecrets } from '../../src/control/state/secrets.ts';

const folder = mkdtempSync(join(tmpdir(), 'culvert-probe-'));
after(() => rmSync(folder, { recursive: true }));
const state = `state=${join(folder, 'state')}`;

test('a probe takes what the relay of the named state folder generated', async () => {
  const made = loadOrMakeSecrets(join(folder, 'state'));
  assert.ok(made.ok);
  const { username, password } = made.secrets.turn;
  assert.deepEqual(await localCredentials({ set: [state] }), { username, password });
  assert.equal(await localPairSecret({ set: [state] }), made.secrets.pair);
});

test('a user of the configuration file comes before what was generated', async () => {
  const config = join(folder, 'culvert.yaml');
  writeFileSync(config, 'turn: { users: { alice: s3cret } }\npair: { secret: AAECAwQFBgcICQoLDA0ODw== }\n');
  assert.deepEqual(await localCredentials({ config, set: [state] }), { username: 'alice', password: 's3cret' });
  assert.equal(await localPairSecret({ config, set: [state] }), 'AAECAwQFBgcICQoLDA0ODw==');
});

test('of a shared secret it makes credentials that last as long as the probe', async () => {
  const credentials = await localCredentials({ set: [state, 'turn.secret=shared'] });
  assert.match(credentials?.username ?? '', /^\d+:probe$/);
  const left = Number(credentials?.username.split(':')[0]) - Date.now() / 1000;
  assert.ok(left > 500 && left <= 600, `${left} s`);
});

test('nothing where there is nothing', async () => {
  const elsewhere = [`state=${join(folder, 'elsewhere')}`];
  assert.equal(await localCredentials({ set: elsewhere }), undefined);
  assert.equal(await localPairSecret({ set: elsewhere }), undefined);
});
