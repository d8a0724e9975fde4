import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { afterwards } from '../afterwards.ts';
import { temporaryFolder } from '../control/config/rig.ts';
import { freePort } from '../ports.ts';
import { culvert, culvertUp, waitFor } from './culvert.ts';

test('a port-relay .env with four lines runs as it is, and SIGHUP adds and removes lines', async (context) => {
  const tcp = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
  const udp = createSocket('udp4').bind(0, '127.0.0.1');
  udp.on('message', (packet, from) => udp.send(`${packet} from ${from.port}`, from.port, from.address));
  await Promise.all([once(tcp, 'listening'), once(udp, 'listening')]);
  afterwards(context, () => {
    tcp.close();
    udp.close();
  });
  const [tcpPort, udpPort] = [(tcp.address() as { port: number }).port, udp.address().port];
  const [a, b, c, d, e] = [await freePort(), await freePort(), await freePort(), await freePort(), await freePort()];
  const folder = temporaryFolder(context);
  const file = join(folder, '.env');
  const lines = [
    `RELAY_1="${a};${tcpPort};127.0.0.1;TCP"`,
    `RELAY_2="${b};${tcpPort};localhost;TCP"`,
    `RELAY_3="${c};${udpPort};127.0.0.1;UDP"`,
    `RELAY_4="${d};${udpPort};127.0.0.1;UDP"`,
  ];
  const settings = ['CONNECT_TIMEOUT=3', 'KEEPALIVE_IDLE=30', 'ENABLE_LOGGING=true', 'ENABLE_HEALTH_CHECK=true'];
  writeFileSync(file, [...lines, ...settings].join('\n'));
  const admin = `http://127.0.0.1:${await freePort()}`;
  const running = await culvertUp(context, ['--env-file', file, '--set', `admin.listen=${admin}`], {
    CULVERT_STATE: join(folder, 'state'),
  });
  assert.match(running.stdout(), new RegExp(`forward +relay-1 +tcp://0\\.0\\.0\\.0:${a}\\n`));
  assert.doesNotMatch(running.stdout(), /3478/);

  const [first, second] = [connect(a, '127.0.0.1'), connect(b, '127.0.0.1')];
  afterwards(context, () => [first, second].map((socket) => socket.destroy()));
  for (const socket of [first, second]) {
    socket.write('over tcp');
    assert.equal((await once(socket, 'data')).toString(), 'over tcp');
  }
  const answers = await Promise.all([ask(c, 'x'), ask(d, 'y'), ask(c, 'z')]);
  assert.deepEqual(
    answers.map((answer) => answer.slice(0, 6)),
    ['x from', 'y from', 'z from'],
  );
  assert.equal(new Set(answers.map((answer) => answer.split(' ').at(-1))).size, 3, 'each from a port of its own');
  for (const probe of [`tcp:127.0.0.1:${a}`, `udp:127.0.0.1:${c}`]) {
    const done = await culvert(['probe', probe]);
    assert.equal(done.code, 0, done.stdout + done.stderr);
  }

  writeFileSync(file, [lines[0], `RELAY_5="${e};${tcpPort};127.0.0.1;TCP"`, ...settings].join('\n'));
  running.child.kill('SIGHUP');
  await waitFor(() => running.stderr().includes('configuration read again'));
  first.write('still here');
  assert.equal((await once(first, 'data')).toString(), 'still here');
  const fifth = connect(e, '127.0.0.1');
  afterwards(context, () => fifth.destroy());
  fifth.write('new');
  assert.equal((await once(fifth, 'data')).toString(), 'new');
  assert.equal((await culvert(['probe', `tcp:127.0.0.1:${b}`])).code, 1, 'its line is gone');

  writeFileSync(file, 'RELAY_1=nonsense\n');
  running.child.kill('SIGHUP');
  await waitFor(() => running.stderr().includes('not taken over'));
  first.write('and still');
  assert.equal((await once(first, 'data')).toString(), 'and still');
  const metrics = await (await fetch(`${admin}/metrics`)).text();
  assert.match(metrics, /^culvert_forward_upstreams\{forward="relay-1",state="up"\} 1$/m);
  assert.match(
    metrics,
    /^culvert_bytes_total\{service="forward",direction="to_peer",datapath="(?:portable|batched)"\} [1-9]/m,
  );
  assert.match(metrics, /^culvert_clients\{service="forward"\} [1-9]/m);
  running.child.kill('SIGTERM');
  assert.equal(await running.ended(), 0);
});

test('the client as the source, on portable: refused alike by a check and by a start, with the place and what to write instead', async (context) => {
  const folder = temporaryFolder(context);
  const file = join(folder, 'culvert.yaml');
  const forward = '{ name: web, listen: "tcp://127.0.0.1:0", to: "tcp://127.0.0.1:1", transparent: true }';
  writeFileSync(file, `forward: [${forward}]\nengine: portable\nadmin: { listen: "off" }\n`);
  for (const command of [
    ['config', 'check', file],
    ['up', '--config', file],
  ]) {
    const done = await culvert(command, { CULVERT_STATE: join(folder, 'state') });
    assert.equal(done.code, 2);
    assert.match(
      done.stderr,
      /culvert\.yaml:1: forward\[0\]\.transparent: is beyond the portable engine.*proxyOut: v2/,
    );
  }
});

async function ask(port: number, text: string): Promise<string> {
  const socket = createSocket('udp4');
  let answer = '';
  socket.on('message', (packet: Buffer) => (answer = packet.toString()));
  try {
    await waitFor(() => {
      socket.send(text, port, '127.0.0.1');
      return answer !== '';
    });
  } finally {
    socket.close();
  }
  return answer;
}
