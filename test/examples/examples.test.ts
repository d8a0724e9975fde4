import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { iceServersFor } from '../../examples/ice-servers.ts';
import { formatFault } from '../../src/control/config/faults.ts';
import { loadConfig } from '../../src/control/config/load.ts';
import { allKeys } from '../../src/control/config/shape.ts';
import { makeTimeLimited } from '../../src/control/time-limited.ts';
import { culvert } from '../cli/culvert.ts';
import { configOf, temporaryFolder } from '../control/config/rig.ts';

const folder = fileURLToPath(new URL('../../examples/', import.meta.url));
const configurations = readdirSync(folder).filter((name) => name.endsWith('.yaml'));

test('there are configurations to check', () =>
  assert.deepEqual(configurations, ['forward.yaml', 'full.yaml', 'minimal.yaml', 'pair.yaml', 'wireguard.yaml']));

for (const name of configurations) {
  test(`culvert config check examples/${name}`, async () => {
    const done = await culvert(['config', 'check', join(folder, name)]);
    assert.equal(done.code, 0, done.stderr);
    assert.equal(done.stderr, '');
  });
}

test('the forwards of README.md load', async (context) => {
  const page = readFileSync(join(folder, '../README.md'), 'utf8');
  const [, yaml = ''] = /^## Port forward\n.*?```yaml\n(.*?)```/ms.exec(page) ?? [];
  const { forward } = await configOf(temporaryFolder(context), { yaml });
  assert.deepEqual(
    forward?.map(({ name }) => name),
    ['mail', 'vpn', 'web'],
  );
});

test('full.yaml has every key that needs no file', async () => {
  const result = await loadConfig({ file: join(folder, 'full.yaml'), environment: {}, overrides: [] });
  assert.ok(result.ok, result.ok ? '' : result.faults.map(formatFault).join('\n'));
  const absent = [...allKeys()].map(([path]) => path).filter((path) => !result.tree.has(path));
  assert.deepEqual(
    absent.map((path) => path.join('.')),
    ['turn.relay.ipv4', 'turn.relay.ipv6', 'turn.tls', 'turn.tls.cert', 'turn.tls.key'],
  );
});

test('the section of the README on pairs is a good configuration', async (context) => {
  const readme = readFileSync(join(folder, '../README.md'), 'utf8');
  const yaml = /^```yaml\n(pair:\n.*?)^```$/ms.exec(readme)?.[1] ?? '';
  assert.ok(yaml.split('\n').length <= 10);
  const { pair } = await configOf(temporaryFolder(context), { yaml });
  assert.equal(pair?.secret.length, 1);
  assert.equal(pair?.antiReplay, 'offer');
});

test('the example server makes the same credentials as culvert does', () => {
  const now = new Date('2030-01-01T00:00:00Z');
  const [server] = iceServersFor('alice', 'relay.example.org', 's3cret', 3600, now);
  const own = makeTimeLimited('s3cret', 'alice', 3_600_000, now.getTime());
  assert.deepEqual([server?.username, server?.credential], [own.username, own.credential]);
});
