// The examples of README.md as they stand there, run for real: in a network namespace, because they name real ports and hosts.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { afterwards } from '../afterwards.ts';
import { selfSigned } from '../engine/certificate.ts';
import { waitFor } from '../interop/rig/children.ts';
import { Space } from '../interop/rig/space.ts';
import { makeWgWorld } from '../interop/rig/wireguard.ts';
import { missing } from '../requirements.ts';

const skip = missing('netns', 'openssl');

test('## TURN', { skip }, async (t) => {
  const world = await start(t, 'TURN', ['203.0.113.1']);
  await world.probe('turn:alice:s3cret@203.0.113.1?transport=udp');
  await world.probe('turn:203.0.113.1?transport=tcp', '--secret', 'previous');
  await world.probe('turns:203.0.113.1', '--insecure', '--secret', 'current');
});

test('## WireGuard', { skip: missing('netns', 'wireguard') }, async (t) => {
  await start(t, 'WireGuard', []);
  // Nobody has the private keys of the page: the two peers have keys of their own, and the rest of the example.
  const { peers, ...settings } = parse(exampleOf('WireGuard')).wireguard;
  const world = await makeWgWorld({ peers: peers.length, registered: true });
  afterwards(t, () => world.stop());
  await world.startRelay(settings);
  const [laptop, phone] = world.peers;
  assert.ok(laptop && phone);
  await waitFor(() => laptop.reaches(phone), 'an echo');
});

test('## Pairs', { skip }, async (t) => {
  const world = await start(t, 'Pairs', []);
  await world.probe('pair:127.0.0.1', '--secret', 'c2VjcmV0LW9mLWFsbC1jbGllbnRzLTMyLWJ5dGVzIS4=');
});

test('## Port forward', { skip }, async (t) => {
  const world = await start(t, 'Port forward', ['10.0.0.11', '10.0.0.12', '192.0.2.25', '192.0.2.51'], {
    'mail.example.com': '192.0.2.25',
    'vpn.example.com': '192.0.2.51',
  });
  const places = ['tcp 192.0.2.25 25', 'udp 192.0.2.51 51820', 'tcp 10.0.0.11 80', 'tcp 10.0.0.12 80'];
  await world.serve(UPSTREAMS, places);
  assert.match(await world.ask('tcp', '50025'), /^192\.0\.2\.25 heard /);
  assert.match(await world.ask('udp', '51821'), /^192\.0\.2\.51 heard /);
  const answers = [await world.ask('tcp', '8080'), await world.ask('tcp', '8080')];
  // Version 2 of the PROXY protocol, as the example asks for.
  for (const answer of answers) assert.match(answer, /^10\.0\.0\.1[12] heard 0d0a0d0a000d0a515549540a/);
});

/** The example of a section, running. */
async function start(
  t: TestContext,
  section: string,
  addresses: readonly string[],
  names: Record<string, string> = {},
) {
  const yaml = exampleOf(section);
  assert.ok(yaml.trim().split('\n').length <= 13, `${section}: about ten lines`);
  const space = await Space.make(t, section.slice(0, 2).trim().toLowerCase(), addresses, names);
  const { cert, key } = selfSigned(t, 'relay.example.com');
  await space.startRelay(yaml, { 'fullchain.pem': cert, 'privkey.pem': key });
  return space;
}

function exampleOf(section: string): string {
  const [, text = ''] = README.split(`\n## ${section}\n`);
  const [, yaml] = /^```yaml\n(.*?)^```$/ms.exec(text.split('\n## ')[0] ?? '') ?? [];
  return yaml ?? assert.fail(`README.md has no example of ${section}`);
}

const README = readFileSync(fileURLToPath(new URL('../../README.md', import.meta.url)), 'utf8');
/** Answers with where it listens and what it heard. */
const UPSTREAMS = `
  const places = process.argv.slice(1).map((place) => place.split(' '));
  let left = places.length;
  const up = () => --left === 0 && console.log('up');
  for (const [scheme, host, port] of places) {
    const answer = (heard) => host + ' heard ' + heard.toString('hex');
    if (scheme === 'udp') {
      const socket = require('dgram').createSocket('udp4').bind(port, host, up);
      socket.on('message', (heard, from) => socket.send(answer(heard), from.port, from.address));
    } else {
      require('net').createServer((s) => { s.on('error', () => {}); s.once('data', (heard) => s.end(answer(heard))); }).listen(port, host, up);
    }
  }`;
