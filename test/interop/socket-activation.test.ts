// Listeners that systemd opened: the program that its own tests use does what a .socket unit would.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { afterwards } from '../afterwards.ts';
import { waitFor } from '../cli/culvert.ts';
import { temporaryFolder } from '../control/config/rig.ts';
import { PATIENCE_MILLIS } from '../patience.ts';
import { freePort } from '../ports.ts';
import { missing } from '../requirements.ts';

const skip = missing('systemd');
const LAUNCHER = fileURLToPath(new URL('../../bin/culvert.mjs', import.meta.url));

for (const engine of ['portable', 'auto']) {
  test(`TCP and unix listeners are taken over, engine ${engine}`, { skip }, async (t) => {
    const upstream = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    afterwards(t, () => upstream.close());
    const to = `to: "tcp://127.0.0.1:${(upstream.address() as { port: number }).port}"`;
    const [all, unused] = [await freePort(), await freePort()];
    const path = join(temporaryFolder(t), 'in.sock');
    // A number alone is [::], which takes IPv4 too.
    const activated = activate(
      t,
      engine,
      ['-l', String(all), '-l', path, '-l', `127.0.0.1:${unused}`],
      [`{ name: all, listen: "tcp://0.0.0.0:${all}", ${to} }`, `{ name: unix, listen: "unix://${path}", ${to} }`],
    );
    await waitFor(() => activated.said().includes('Listening on'));
    // It came before the relay ran: the socket kept it.
    assert.equal(await echo(t, connect(all, '127.0.0.1')), 'hello');
    assert.equal(await echo(t, connect(path)), 'hello');
    assert.match(activated.said(), new RegExp(`handed over that no listener names.*127\\.0\\.0\\.1:${unused}`, 's'));
  });

  test(`UDP listeners are taken over, engine ${engine}`, { skip }, async (t) => {
    const upstream = createSocket('udp4').bind(0, '127.0.0.1');
    await once(upstream, 'listening');
    afterwards(t, () => upstream.close());
    upstream.on('message', (packet, from) => upstream.send(packet, from.port, from.address));
    const port = await freePort();
    const activated = activate(
      t,
      engine,
      ['-d', '-l', `127.0.0.1:${port}`],
      [`{ name: dns, listen: "udp://127.0.0.1:${port}", to: "udp://127.0.0.1:${upstream.address().port}" }`],
    );
    await waitFor(() => activated.said().includes('Listening on'));
    const client = createSocket('udp4');
    afterwards(t, () => client.close());
    let answers = 0;
    client.on('message', () => (answers += 1));
    client.send('first', port, '127.0.0.1');
    await waitFor(() => answers === 1, PATIENCE_MILLIS, activated.said);
    client.send('second', port, '127.0.0.1');
    await waitFor(() => answers === 2, PATIENCE_MILLIS, activated.said);
    assert.doesNotMatch(activated.said(), /no listener names/);
  });
}

function activate(t: TestContext, engine: string, sockets: readonly string[], forwards: readonly string[]) {
  const folder = temporaryFolder(t);
  const file = join(folder, 'culvert.yaml');
  const list = forwards.map((forward) => `  - ${forward}\n`).join('');
  writeFileSync(file, `engine: ${engine}\nforward:\n${list}admin: { listen: "off" }\nstate: ${folder}\n`);
  const args = [...sockets, process.execPath, LAUNCHER, 'up', '--config', file];
  const child = spawn('systemd-socket-activate', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const output of [child.stdout, child.stderr]) output.on('data', (chunk: Buffer) => (said += chunk));
  afterwards(t, () => void child.kill('SIGKILL'));
  return { said: () => said };
}

async function echo(t: TestContext, socket: Socket): Promise<string> {
  afterwards(t, () => socket.destroy());
  socket.write('hello');
  return (await once(socket, 'data')).toString();
}
