import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { connect } from 'node:tls';
import type { Log } from '../../src/control/log/log.ts';
import type { TlsMaterial } from '../../src/engine/engine.ts';
import type { Summary } from '../../src/runtime/banner.ts';
import { TlsFiles, type TlsFilesOptions } from '../../src/runtime/tls-files.ts';
import { afterwards } from '../afterwards.ts';
import { culvert, culvertUp, waitFor } from '../cli/culvert.ts';
import { temporaryFolder } from '../control/config/rig.ts';
import { missing } from '../requirements.ts';
import { issue, repoint } from './tls-rig.ts';

const skip = missing('openssl');

function follow(
  context: { after(hook: () => void): void },
  options: Pick<TlsFilesOptions, 'cert' | 'key'> & Partial<TlsFilesOptions>,
) {
  const changes: TlsMaterial[] = [];
  const warnings: unknown[] = [];
  const quiet = () => {};
  const log: Log = {
    trace: quiet,
    debug: quiet,
    info: quiet,
    error: quiet,
    fatal: quiet,
    warn: (_, fields) => warnings.push(fields?.reason),
  };
  const files = new TlsFiles({ log, onChange: (material) => changes.push(material), settle: 30, ...options });
  afterwards(context, () => files.close());
  return { files, changes, warnings };
}

describe('TLS files', { skip }, () => {
  test('are taken over when both have changed', async (context) => {
    const folder = temporaryFolder(context);
    const live = issue(folder, 'live');
    const next = issue(temporaryFolder(context), 'next');
    const { files, changes } = follow(context, live);
    assert.match(files.current.cert, /BEGIN CERTIFICATE/);
    copyFileSync(next.cert, live.cert);
    copyFileSync(next.key, live.key);
    await waitFor(() => changes.length > 0);
    assert.equal(files.current.cert, readFileSync(next.cert, 'utf8'));
    assert.equal(changes.length, 1);
  });

  test('are followed through links that are swapped', async (context) => {
    const folder = temporaryFolder(context);
    for (const name of ['one', 'two']) {
      mkdirSync(join(folder, name));
      const pair = issue(join(folder, name), 'tls');
      assert.ok(pair);
    }
    repoint(join(folder, 'data'), 'one');
    for (const file of ['tls.crt', 'tls.key']) repoint(join(folder, file), join('data', file));
    const { changes } = follow(context, { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') });
    repoint(join(folder, 'data'), 'two');
    await waitFor(() => changes.length > 0);
    assert.equal(changes[0]?.cert, readFileSync(join(folder, 'two', 'tls.crt'), 'utf8'));
  });

  test('a poll finds what the watch does not see', async (context) => {
    const [target, links] = [temporaryFolder(context), temporaryFolder(context)];
    const pair = issue(target, 'a');
    repoint(join(links, 'cert'), pair.cert);
    repoint(join(links, 'key'), pair.key);
    const { changes } = follow(context, { cert: join(links, 'cert'), key: join(links, 'key'), poll: 50 });
    const next = issue(temporaryFolder(context), 'b');
    copyFileSync(next.key, pair.key);
    copyFileSync(next.cert, pair.cert);
    await waitFor(() => changes.length > 0);
  });

  test('that are bad leave the old ones, with one warning', async (context) => {
    const folder = temporaryFolder(context);
    const live = issue(folder, 'live');
    const other = issue(temporaryFolder(context), 'other');
    const { files, changes, warnings } = follow(context, live);
    const before = files.current;
    copyFileSync(other.key, live.key);
    for (let i = 0; i < 3; i++) files.reload();
    assert.deepEqual(warnings, ['the key does not belong to the certificate']);
    writeFileSync(live.cert, 'garbage');
    files.reload();
    rmSync(live.cert);
    files.reload();
    assert.equal(files.current, before);
    assert.equal(warnings.length, 3);
    copyFileSync(other.cert, live.cert);
    files.reload();
    assert.equal(changes.length, 1);
  });
});

describe('a running relay', { skip }, () => {
  test('shows the new certificate without a restart, and is refused a pair that does not match', async (context) => {
    const folder = temporaryFolder(context);
    const live = issue(folder, 'live');
    const args = ['--set', `turn.tls.cert=${live.cert}`, '--set', `turn.tls.key=${live.key}`];
    const listen = ['--set', 'turn.listen=tls://127.0.0.1:0', '--set', 'admin.listen=off'];
    const running = await culvertUp(context, ['--json', ...listen, ...args], { CULVERT_STATE: join(folder, 'state') });
    const { listeners, generated } = JSON.parse(running.stdout()) as Summary;
    const port = listeners[0]?.local.port ?? 0;
    assert.equal(await commonName(port), 'live.test');
    const [url = ''] = generated?.iceServer.urls ?? [];
    assert.match(url, /^turns:127\.0\.0\.1:\d+\?transport=tcp$/);
    const probe = await culvert(['probe', url, '--insecure'], { CULVERT_STATE: join(folder, 'state') });
    assert.equal(probe.code, 0, probe.stdout + probe.stderr);

    const next = issue(temporaryFolder(context), 'next');
    copyFileSync(next.cert, live.cert);
    copyFileSync(next.key, live.key);
    await waitFor(async () => (await commonName(port)) === 'next.test');

    const done = await culvert([
      'config',
      'check',
      '--set',
      `turn.tls.cert=${live.cert}`,
      '--set',
      `turn.tls.key=${issue(folder, 'x').key}`,
    ]);
    assert.equal(done.code, 2);
    assert.match(done.stderr, /--set turn\.tls\.key: does not belong to the certificate/);
  });
});

async function commonName(port: number): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return String(subject.CN);
}
