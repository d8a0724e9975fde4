import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { runProbe } from '../../src/probe/probe.ts';
import type { ProbeReport } from '../../src/probe/report.ts';
import type { Summary } from '../../src/runtime/banner.ts';
import { culvert, culvertUp } from '../cli/culvert.ts';
import { temporaryFolder } from '../control/config/rig.ts';
import { freePort } from '../ports.ts';

describe('culvert probe pair:', () => {
  for (const antiReplay of ['off', 'offer', 'require']) {
    test(`works with antiReplay ${antiReplay}, and with the secret that the relay generated`, async (context) => {
      const { url, secret, environment } = await relay(context, antiReplay);
      const report = await probe(url, secret);
      assert.equal(report.ok, true, report.failure?.sentence);
      assert.deepEqual(
        report.steps.map(({ name }) => name),
        ['resolve', 'connect', 'pair', 'data there', 'data back'],
      );
      assert.equal(/with nonces/.test(report.steps[2]?.detail ?? ''), antiReplay !== 'off');
      const beside = await culvert(['probe', url], environment);
      assert.equal(beside.code, 0, beside.stdout + beside.stderr);
      assert.match(beside.stdout, /everything works/);
      assert.ok(!(beside.stdout + beside.stderr).includes(secret));
    });
  }

  test('says what is likely when the secret is another, and nothing of the secret', async (context) => {
    const { url } = await relay(context, 'off');
    const other = randomBytes(32).toString('base64');
    const report = await probe(url, other);
    assert.deepEqual([report.ok, report.failure?.step, report.failure?.code], [false, 'pair', 'no-answer']);
    assert.match(report.failure?.sentence ?? '', /another secret/);
    assert.ok(!JSON.stringify(report).includes(other));
  });

  test('tells a port where nobody listens', async () => {
    const report = await probe(`pair:127.0.0.1:${await freePort()}`, randomBytes(32).toString('base64'));
    assert.equal(report.failure?.code, 'refused', report.failure?.sentence);
  });

  test('wrong usage is 2: no secret, a user, no base64', async () => {
    for (const options of [{}, { user: 'alice' }, { secret: 'no base64!' }]) {
      const said: string[] = [];
      assert.equal(await runProbe('pair:127.0.0.1', { ...options, err: (line) => said.push(line) }), 2);
      assert.equal(said.length, 1);
      assert.ok(!said[0]?.includes('no base64!'));
    }
  });
});

async function probe(url: string, secret: string): Promise<ProbeReport> {
  const lines: string[] = [];
  await runProbe(url, { secret, json: true, timeout: 1_500, out: (line) => lines.push(line) });
  return JSON.parse(lines[0] ?? '');
}

async function relay(context: TestContext, antiReplay: string) {
  const environment = { CULVERT_STATE: join(temporaryFolder(context), 'state') };
  const sets = ['turn.listen=udp://127.0.0.1:0', 'pair.listen=udp://127.0.0.1:0', 'admin.listen=off'];
  const args = [...sets, `pair.antiReplay=${antiReplay}`].flatMap((set) => ['--set', set]);
  const running = await culvertUp(context, ['--json', ...args], environment);
  const summary = JSON.parse(running.stdout()) as Summary;
  const port = summary.listeners.find(({ service }) => service === 'pair')?.local.port;
  assert.ok(summary.generatedPair);
  return { url: `pair:127.0.0.1:${port}`, secret: summary.generatedPair.secret, environment };
}
