// TLS connections led by the name that they ask for, with curl and OpenSSL as clients: the certificate that they see is the upstream's own.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { afterwards } from '../afterwards.ts';
import { culvertUp } from '../cli/culvert.ts';
import { temporaryFolder } from '../control/config/rig.ts';
import { selfSigned } from '../engine/certificate.ts';
import { freePort } from '../ports.ts';
import { missing } from '../requirements.ts';

const run = promisify(execFile);

test('curl and openssl reach who they ask for, and nobody else', { skip: missing('curl', 'openssl') }, async (t) => {
  const [one, below] = [await upstream(t, 'one.example'), await upstream(t, 'below.example')];
  const [strict, open] = [await freePort(), await freePort()];
  const sni = `"one.example": "tcp://127.0.0.1:${one}", "*.below.example": "tcp://127.0.0.1:${below}"`;
  const folder = temporaryFolder(t);
  const file = join(folder, 'culvert.yaml');
  writeFileSync(
    file,
    `forward:
  - { name: strict, listen: "tcp://127.0.0.1:${strict}", sni: { ${sni} } }
  - { name: open, listen: "tcp://127.0.0.1:${open}", sni: { ${sni}, default: "tcp://127.0.0.1:${one}" } }
admin: { listen: "off" }
`,
  );
  await culvertUp(t, ['--config', file], { CULVERT_STATE: join(folder, 'state') });

  const curl = async (name: string, port: number) => {
    const args = ['-sSk', '--max-time', '10', '--resolve', `${name}:${port}:127.0.0.1`, `https://${name}:${port}/`];
    const { stdout } = await run('curl', args).catch(({ stderr }: { stderr: string }) => ({ stdout: stderr }));
    return stdout;
  };
  assert.equal(await curl('one.example', strict), 'one.example was asked for one.example');
  assert.equal(await curl('a.below.example', strict), 'below.example was asked for a.below.example');
  assert.match(await curl('below.example', strict), /unrecognized name/);
  assert.equal(await curl('elsewhere.test', open), 'one.example was asked for elsewhere.test');

  const sent = async (...flags: string[]) => {
    const command = `openssl s_client -connect 127.0.0.1:${open} ${flags.join(' ')} < /dev/null 2>&1`;
    return (await run('sh', ['-c', command]).catch((error: { stdout: string }) => error)).stdout;
  };
  assert.match(await sent('-servername', 'x.y.below.example', '-tls1_2'), /CN ?= ?below\.example/);
  assert.match(await sent('-noservername'), /CN ?= ?one\.example/);
});

async function upstream(t: TestContext, name: string): Promise<number> {
  const server = createServer(selfSigned(t, name), (request, response) => {
    response.end(`${name} was asked for ${request.headers.host?.split(':')[0]}`);
  }).listen(0, '127.0.0.1');
  afterwards(t, () => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, 'listening');
  return (server.address() as { port: number }).port;
}
