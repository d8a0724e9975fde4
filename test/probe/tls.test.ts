import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createServer, type Server } from 'node:tls';
import { runProbe } from '../../src/probe/probe.ts';
import type { ProbeReport } from '../../src/probe/report.ts';
import { missing } from '../requirements.ts';

/**
 * An authority that the probe's process trusts, and certificates of it for other names and other times. Node reads
 * NODE_EXTRA_CA_CERTS once at its start, so what depends on trust is tried by a process of its own.
 */
describe('certificates', { skip: missing('openssl') }, () => {
  let folder: string;
  const servers: Server[] = [];
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'culvert-tls-'));
    openssl('req', '-x509', ...NEW_KEY, '-days', '2', '-subj', '/CN=authority', '-keyout', 'ca.key', '-out', 'ca.pem');
    issue('right', 'DNS:localhost', '-days', '2');
    issue('other', 'DNS:other.example', '-days', '2');
    issue('expired', 'DNS:localhost', '-days', '-1');
  });
  after(() => {
    for (const server of servers) server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('one that nobody here vouches for is refused, unless --insecure', async () => {
    const port = await serve('right');
    const refused = await probe(port, {});
    assert.deepEqual(
      [refused.code, refused.report.failure?.step, refused.report.failure?.code],
      [1, 'connect', 'tls-untrusted'],
    );
    assert.match(refused.report.failure?.sentence ?? '', /--insecure/);
    const taken = await probe(port, { insecure: true });
    assert.equal(taken.report.steps.find(({ name }) => name === 'connect')?.ok, true);
  });

  test('one for another name is named as such', async () => {
    assert.equal(await faultOfTrusting(await serve('other')), 'tls-name');
  });

  test('an expired one is named as such', async () => {
    assert.equal(await faultOfTrusting(await serve('expired')), 'tls-expired');
  });

  test('a right one of a trusted authority passes', async () => {
    // The server says nothing behind the handshake: it is the next step that fails.
    assert.equal(await faultOfTrusting(await serve('right')), 'no-answer');
  });

  const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

  function openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
  }

  function issue(name: string, altName: string, ...validity: string[]): void {
    const [key, request, cert] = [`${name}.key`, `${name}.csr`, `${name}.pem`];
    openssl(
      'req',
      ...NEW_KEY,
      '-subj',
      `/CN=${name}`,
      '-addext',
      `subjectAltName=${altName}`,
      '-keyout',
      key,
      '-out',
      request,
    );
    openssl(
      'x509',
      '-req',
      '-in',
      request,
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-copy_extensions',
      'copy',
      ...validity,
      '-out',
      cert,
    );
  }

  async function serve(name: string): Promise<number> {
    const read = (suffix: string) => readFileSync(join(folder, `${name}.${suffix}`));
    const server = createServer({ key: read('key'), cert: read('pem') }, (socket) => socket.on('error', () => {}));
    server.on('tlsClientError', () => {});
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  async function probe(port: number, options: { insecure?: boolean }): Promise<{ code: number; report: ProbeReport }> {
    const lines: string[] = [];
    const code = await runProbe(`stuns:localhost:${port}`, {
      ...options,
      json: true,
      timeout: SILENCE_MILLIS,
      out: (line) => lines.push(line),
    });
    return { code, report: JSON.parse(lines[0] ?? '') };
  }

  async function faultOfTrusting(port: number): Promise<string | undefined> {
    const probeModule = new URL('../../src/probe/probe.ts', import.meta.url).href;
    const program = `const { runProbe } = await import(${JSON.stringify(probeModule)});
      await runProbe('stuns:localhost:${port}', { json: true, timeout: ${SILENCE_MILLIS} });`;
    const output = await new Promise<string>((resolve, reject) =>
      execFile(
        process.execPath,
        ['--input-type=module', '--eval', program],
        { env: { ...process.env, NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') } },
        (error, stdout) => (error ? reject(error) : resolve(stdout)),
      ),
    );
    const report: ProbeReport = JSON.parse(output);
    return report.failure?.code;
  }
});

/** Of whom says nothing; a handshake may take a moment. */
const SILENCE_MILLIS = 2000;
