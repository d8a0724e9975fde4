import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { runProbe } from '../../src/probe/probe.ts';
import type { ProbeReport } from '../../src/probe/report.ts';
import { afterwards } from '../afterwards.ts';

type Change = (packet: Buffer) => Buffer | undefined;

/** Passes what comes from either of its two clients to the other; `change` may alter or drop it. */
async function fakeRelay(context: { after(hook: () => void): void }, change: Change): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  afterwards(context, () => void socket.close());
  const ports = new Set<number>();
  socket.on('message', (packet, { port }) => {
    ports.add(port);
    const other = [...ports].find((one) => one !== port);
    const out = change(packet);
    if (other !== undefined && out !== undefined) socket.send(out, other, '127.0.0.1');
  });
  return socket.address().port;
}

async function probe(port: number, timeout = 5000): Promise<{ code: number; report: ProbeReport }> {
  const lines: string[] = [];
  const code = await runProbe(`wireguard:127.0.0.1:${port}`, { json: true, timeout, out: (line) => lines.push(line) });
  return { code, report: JSON.parse(lines[0] ?? '') };
}

test('a relay that passes everything on works', async (context) => {
  const { code, report } = await probe(await fakeRelay(context, (packet) => packet));
  assert.equal(code, 0, report.failure?.sentence);
  assert.equal(report.url.startsWith('wireguard:127.0.0.1:'), true);
  assert.deepEqual(
    report.steps.map(({ name }) => name),
    ['resolve', 'connect', 'connect', 'handshake', 'echo data'],
  );
});

const FAILURES: readonly [string, Change, string, string][] = [
  ['no initiation', (packet) => (packet[0] === 1 ? undefined : packet), 'handshake', 'no-answer'],
  ['no response', (packet) => (packet[0] === 2 ? undefined : packet), 'handshake', 'no-answer'],
  ['no data', (packet) => (packet[0] === 4 ? undefined : packet), 'echo data', 'no-data'],
  ['no large packet', (packet) => (packet.length > 1000 ? undefined : packet), 'echo data', 'no-data'],
  [
    'changed data',
    (packet) => (packet[0] === 4 ? Buffer.concat([packet, Buffer.of(1)]) : packet),
    'echo data',
    'corrupt',
  ],
];
for (const [name, change, step, fault] of FAILURES) {
  test(`one that passes ${name} is told`, async (context) => {
    const { code, report } = await probe(await fakeRelay(context, change), 700);
    assert.equal(code, 1);
    assert.deepEqual([report.failure?.step, report.failure?.code], [step, fault]);
    assert.match(report.failure?.sentence ?? '', /likely cause: /);
  });
}

test('a port that nobody listens on is told by the kernel', async (context) => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  context.diagnostic(`port ${port}`);
  const { report } = await probe(port, 700);
  assert.equal(report.failure?.code, 'refused');
});
