import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '../../src/control/config/load.ts';
import type { Config } from '../../src/control/config/schema.ts';
import { compareConfigs } from '../../src/runtime/reloading.ts';

async function config(...overrides: string[]): Promise<Config> {
  const result = await loadConfig({ environment: {}, overrides });
  if (!result.ok) throw new Error(JSON.stringify(result.faults));
  return result.config;
}

const FORWARD = 'forward=[{"name":"a","listen":"tcp://127.0.0.1:1","to":"tcp://127.0.0.1:2"}]';
const FORWARDS = `${FORWARD.slice(0, -1)},{"name":"b","listen":"tcp://127.0.0.1:3","to":"tcp://127.0.0.1:4"}]`;

const cases: { before?: string[]; after?: string[]; now?: string[]; afterRestart?: string[] }[] = [
  {},
  { after: ['turn.realm=b'], now: ['turn.realm'] },
  { after: ['turn.users={"a":"secret"}'], now: ['turn.users'] },
  { after: ['turn.relay.ports=50000-50010'], now: ['turn.relay.ports'] },
  { after: ['turn.relay.ipv4=192.0.2.1'], afterRestart: ['turn.relay.ipv4'] },
  { after: ['turn.listen=udp://127.0.0.1:1'], afterRestart: ['turn.listen'] },
  { after: ['pair.idle=9s', 'pair.legacy=true'], now: ['pair.idle', 'pair.legacy'] },
  { after: ['pair.buffers.receive=1M'], afterRestart: ['pair.buffers.receive'] },
  { after: ['limits.block=192.0.2.0/24'], now: ['limits.block'] },
  { after: ['limits.unauthenticated.perAddress=7'], now: ['limits.unauthenticated.perAddress'] },
  { after: ['limits.strikes.limit=7'], afterRestart: ['limits.strikes.limit'] },
  { after: ['log.level=debug', 'log.format=json'], now: ['log.level'], afterRestart: ['log.format'] },
  { after: ['wireguard.maxClients=7'], now: ['wireguard.maxClients'] },
  { after: ['wireguard.listen=udp://127.0.0.1:7'], afterRestart: ['wireguard.listen'] },

  { after: ['admin.token=0123456789abcdef'], afterRestart: ['admin.token'] },
  { after: [FORWARD], now: ['forward.a'] },
  { before: [FORWARD], after: [FORWARDS], now: ['forward.b'] },
  { before: [FORWARDS], after: [FORWARD], now: ['forward.b'] },
];
for (const { before = [], after = [], now = [], afterRestart = [] } of cases) {
  test(`${before.join(' ').slice(0, 40)} → ${after.join(' ').slice(0, 60)}`, async () => {
    const started = await config(...before);
    assert.deepEqual(compareConfigs(started, started, await config(...after)), { now, afterRestart });
  });
}

test('what waits for a restart is said again until it comes, what was taken over is not', async () => {
  const started = await config();
  const read = await config('turn.realm=b', 'engine=portable');
  assert.deepEqual(compareConfigs(started, read, read), { now: [], afterRestart: ['engine'] });
  assert.deepEqual(compareConfigs(started, read, started), { now: ['turn.realm'], afterRestart: [] });
});

test('a section that comes or goes needs a restart', async () => {
  const started = await config();
  const { pair: _, ...without } = started;
  assert.deepEqual(compareConfigs(started, started, without as Config), { now: [], afterRestart: ['pair'] });
});
