import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { afterwards } from '../afterwards.ts';
import { PATIENCE_MILLIS } from '../patience.ts';
import { missing } from '../requirements.ts';
import { type Child, startChild, waitFor } from './rig/children.ts';
import { makeLan, RELAY_IPV4 } from './rig/netns.ts';
import { parseUclient } from './rig/uclient.ts';

const COUNT = 400;
const EVERY_MILLIS = 20;

/**
 * coturn's client ends at the first ICMP error, so its wire is cut while nobody listens: what it sends is lost as it would be in a network. It
 * goes on with its allocations, channels and nonce, and is told nothing.
 */
test('turnutils_uclient outlives the relay that it began with', {
  skip: missing('coturn', 'netns'),
}, async (context) => {
  const lan = await makeLan(`cr${process.pid}`);
  const folder = mkdtempSync(join(tmpdir(), 'culvert-restart-'));
  const children: Child[] = [];
  afterwards(context, async () => {
    for (const child of children) await child.stop();
    await lan.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const file = join(folder, 'culvert.yaml');
  const turn = {
    listen: [`udp://${RELAY_IPV4}:3478`],
    users: { alice: 'wonderland' },
    peers: { allow: ['10.99.0.0/16'] },
  };
  // JSON is YAML.
  writeFileSync(
    file,
    JSON.stringify({ state: join(folder, 'state'), turn, admin: { listen: 'http://127.0.0.1:8666' } }),
  );
  const startRelay = async () => {
    const relay = startChild(...lan.relay.inside(process.execPath, LAUNCHER, 'up', '--config', file));
    children.push(relay);
    await waitFor(() => relay.output().includes('metrics'), 'the banner of the relay', { child: relay });
    return relay;
  };
  const metric = async (line: string) => {
    const text = await lan.relay.run(process.execPath, '-e', FETCH);
    return Number(new RegExp(`^${line} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  };

  const site = await lan.join('client', 10);
  const first = await startRelay();
  const flags = [
    '-y',
    '-c',
    '-m',
    '2',
    '-u',
    'alice',
    '-w',
    'wonderland',
    '-n',
    `${COUNT}`,
    '-z',
    `${EVERY_MILLIS}`,
    RELAY_IPV4,
  ];
  const client = startChild(...site.inside('turnutils_uclient', ...flags));
  children.push(client);
  await waitFor(() => /tot_recv_msgs=[1-9]/.test(client.output()), 'messages to arrive', { child: client });
  await waitFor(async () => (await metric('culvert_turn_allocations')) >= 2, 'two allocations', { child: client });
  // Past the second within which changes are written.
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const allocations = await metric('culvert_turn_allocations');
  await site.plug(false);
  first.process.kill('SIGKILL');
  await first.stop();
  const second = await startRelay();
  await site.plug(true);
  assert.equal(await metric('culvert_turn_allocations'), allocations, second.output());
  const patience = COUNT * EVERY_MILLIS + PATIENCE_MILLIS;
  await waitFor(() => client.ended() !== undefined, 'the end of uclient', { patience, child: client });
  const { sent = 0, received = 0 } = parseUclient(client.output());
  context.diagnostic(`of ${sent} messages ${received} arrived`);
  assert.equal(client.ended()?.code, 0, client.output().slice(-2000));
  assert.ok(received > sent / 2 && received > COUNT, client.output().slice(-2000));
  for (const code of ['401', '437', '438']) {
    assert.equal(
      await metric(`culvert_turn_responses_total\\{method="[a-z_]+",class="error",code="${code}"\\}`),
      0,
      code,
    );
  }
});

const LAUNCHER = fileURLToPath(new URL('../../bin/culvert.mjs', import.meta.url));
const FETCH = 'fetch("http://127.0.0.1:8666/metrics").then((r) => r.text()).then((t) => process.stdout.write(t))';
