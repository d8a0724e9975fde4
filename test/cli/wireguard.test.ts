import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Summary } from '../../src/runtime/banner.ts';
import { temporaryFolder } from '../control/config/rig.ts';
import { freePort } from '../ports.ts';
import { culvert, culvertUp, type Running, waitFor } from './culvert.ts';

test('SIGHUP takes over peers of wireguard, and says what needs a restart', async (context) => {
  const folder = temporaryFolder(context);
  const file = join(folder, 'culvert.yaml');
  const write = (wireguard: object) =>
    writeFileSync(file, JSON.stringify({ wireguard, admin: { listen: 'off' }, state: join(folder, 'state') }));
  const listen = 'udp://127.0.0.1:0';
  write({ listen });
  const running = await culvertUp(context, ['--json', '--config', file]);
  const { listeners } = JSON.parse(running.stdout()) as Summary;
  const probe = async () => (await culvert(['probe', `wireguard:127.0.0.1:${listeners[0]?.local.port}`])).code;
  assert.equal(await probe(), 0);
  const peers = [{ name: 'laptop', publicKey: 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=' }];
  write({ listen, peers, timeout: '1m' });
  running.child.kill('SIGHUP');
  await waitFor(() => running.stderr().includes('configuration read again'));
  assert.doesNotMatch(running.stderr(), /needs a restart/);
  assert.equal(await probe(), 1, 'the probe is no peer of the list');
  write({ listen: 'udp://127.0.0.1:5', peers, proof: {} });
  running.child.kill('SIGHUP');
  await waitFor(() => /these settings need a restart.*wireguard\.listen.*wireguard\.proof/s.test(running.stderr()));
  running.child.kill('SIGTERM');
  assert.equal(await running.ended(), 0);
});

test('SIGTERM does not wait for clients: they are kept, and so is the key of the relay', async (context) => {
  const folder = temporaryFolder(context);
  const file = join(folder, 'culvert.yaml');
  const state = join(folder, 'state');
  const listen = `udp://127.0.0.1:${await freePort()}`;
  const write = (wireguard: object) =>
    writeFileSync(file, JSON.stringify({ wireguard: { listen, ...wireguard }, admin: { listen: 'off' }, state }));
  const up = () => culvertUp(context, ['--json', '--config', file]);
  write({});
  const first = await up();
  const port = summaryOf(first).listeners[0]?.local.port;
  assert.equal((await culvert(['probe', `wireguard:127.0.0.1:${port}`])).code, 0);
  first.child.kill('SIGTERM');
  assert.equal(await first.ended(), 0);
  assert.doesNotMatch(first.stderr(), /draining/);
  const again = await up();
  const clients = JSON.parse((await culvert(['clients', '--json', '--config', file])).stdout);
  assert.equal(clients.clients?.length, 2, JSON.stringify(clients));
  again.child.kill('SIGTERM');
  assert.equal(await again.ended(), 0);

  write({ peers: [{ publicKey: 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=' }], proof: {} });
  const keys: unknown[] = [];
  const { wireguard: secret } = JSON.parse(readFileSync(join(state, 'secrets.json'), 'utf8'));
  assert.equal(statSync(join(state, 'secrets.json')).mode & 0o777, 0o600);
  for (let run = 0; run < 2; run++) {
    const running = await up();
    keys.push(summaryOf(running).relayPeer?.publicKey);
    running.child.kill('SIGTERM');
    assert.equal(await running.ended(), 0);
    assert.ok(!(running.stdout() + running.stderr()).includes(secret));
  }
  assert.equal(typeof keys[0], 'string');
  assert.equal(keys[0], keys[1]);
});

function summaryOf(running: Running): Summary {
  return JSON.parse(running.stdout()) as Summary;
}
