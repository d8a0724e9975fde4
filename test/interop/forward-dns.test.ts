// A name whose address changes in the DNS: a server of our own in a namespace, asked by the resolver of the system.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../control/config/rig.ts';
import { missing } from '../requirements.ts';
import { waitFor } from './rig/children.ts';
import { Space } from './rig/space.ts';

test('new clients follow the name at its TTL, who is there stays, and no answer leads to this machine', {
  skip: missing('netns'),
}, async (t) => {
  const answer = join(temporaryFolder(t), 'answer');
  const space = await Space.make(t, 'dns', ['192.0.2.1', '192.0.2.2', '169.254.169.254']);
  await space.serve(UPSTREAMS, ['192.0.2.1', '192.0.2.2', '127.0.0.1', '169.254.169.254']);
  // Nothing is known yet: the forward is up, marked down, and asks again.
  const relay = await space.startRelay(`forward:
  - { name: tcp, listen: "tcp://127.0.0.1:5000", to: "tcp://app.example.test:7000" }
  - { name: udp, listen: "udp://127.0.0.1:5000", to: "udp://app.example.test:7000" }
admin: { listen: "off" }
`);
  await waitFor(() => relay.output().includes('forward-name-failed'), 'the name to fail', { child: relay });
  writeFileSync(answer, '192.0.2.1');
  await space.serve(DNS, [answer]);
  await waitFor(() => relay.output().includes('forward-name-resolved'), 'the name to be known', { child: relay });
  const old = space.spawn(['-e', TALK, '5000']);
  await waitFor(() => old.output().includes('192.0.2.1'), 'the first answer', { child: old });
  assert.equal(await space.ask('udp', '5000'), '192.0.2.1');

  const moved = async (to: string) => {
    writeFileSync(answer, to);
    await waitFor(async () => (await space.ask('tcp', '5000')) === to, `new connections at ${to}`);
    assert.equal(await space.ask('udp', '5000'), to);
  };
  await moved('192.0.2.2');
  for (const unsafe of ['169.254.169.254', '127.0.0.1', 'none']) {
    const said = relay.output().length;
    writeFileSync(answer, unsafe);
    const isRefused = () => relay.output().slice(said).includes('forward-name-failed');
    await waitFor(isRefused, `${unsafe} to be refused`, { child: relay });
    assert.equal(await space.ask('tcp', '5000'), '192.0.2.2', 'the last good answer holds');
    await moved('192.0.2.1');
    await moved('192.0.2.2');
  }
  const lines = old.output().trim().split('\n');
  assert.ok(lines.length > 5, 'it went on talking');
  // On a busy machine two answers may come in one piece.
  assert.equal(lines.join('').replaceAll('192.0.2.1', ''), '');
});

/** At port 7000 of each address: answers with the address. */
const UPSTREAMS = `
  const hosts = process.argv.slice(1);
  let left = 2 * hosts.length;
  const up = () => --left === 0 && console.log('up');
  for (const host of hosts) {
    const socket = require('dgram').createSocket('udp4').bind(7000, host, up);
    socket.on('message', (heard, from) => socket.send(host, from.port, from.address));
    require('net').createServer((s) => { s.on('error', () => {}); s.on('data', () => s.write(host)); }).listen(7000, host, up);
  }`;

/** Answers for every name: A records with the address of the file and a TTL of 1 s, or that there is no such name. */
const DNS = `
  const { readFileSync } = require('fs');
  const socket = require('dgram').createSocket('udp4').bind(53, '127.0.0.1', () => console.log('up'));
  socket.on('message', (query, from) => {
    let end = 12;
    while (query[end] !== 0) end += query[end] + 1;
    const question = query.subarray(12, end + 5);
    const address = readFileSync(process.argv[1], 'utf8').trim();
    const isA = query.readUInt16BE(end + 1) === 1;
    const answers = isA && address !== 'none' ? 1 : 0;
    const head = Buffer.alloc(12);
    query.copy(head, 0, 0, 2);
    head.writeUInt16BE(address === 'none' ? 0x8183 : 0x8180, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(answers, 6);
    const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, ...address.split('.').map(Number)]);
    socket.send(Buffer.concat([head, question, ...(answers ? [record] : [])]), from.port, from.address);
  });`;

/** One connection that asks and prints, again and again. */
const TALK = `
  const socket = require('net').connect(process.argv[1], '127.0.0.1', () => setInterval(() => socket.write('x'), 200));
  socket.on('data', (data) => console.log(data.toString())).on('close', () => console.log('cut'));`;
