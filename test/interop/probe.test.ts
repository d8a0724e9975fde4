import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { runProbe } from '../../src/probe/probe.ts';
import type { ProbeReport } from '../../src/probe/report.ts';
import { missing } from '../requirements.ts';
import { type Relay, runBeside, startRelay } from './rig/relay.ts';

const WAYS: ReadonlyArray<readonly [string, (relay: Relay) => string]> = [
  ['UDP', ({ port }) => `turn:127.0.0.1:${port}`],
  ['TCP', ({ port }) => `turn:127.0.0.1:${port}?transport=tcp`],
  ['TLS', ({ tlsPort }) => `turns:localhost:${tlsPort}`],
];

describe('culvert probe against a running relay', { skip: missing('openssl') }, () => {
  let relay: Relay;
  before(async () => {
    relay = await startRelay();
  });
  after(async () => {
    await relay?.stop();
  });

  for (const [name, url] of WAYS) {
    for (const family of [4, 6] as const) {
      test(`${name}, IPv${family} relayed addresses`, { skip: family === 6 ? missing('ipv6') : false }, async () => {
        const report = await probe(url(relay), family);
        assert.equal(report.ok, true, report.failure?.sentence);
        const start = family === 4 ? '127.0.0.1:' : '[::1]:';
        assert.ok(report.relayed.length === 2 && report.relayed.every((address) => address.startsWith(start)));
      });
    }
  }

  test('a wrong password is told', async () => {
    const report = await probe(`turn:127.0.0.1:${relay.port}`, 4, 'wrong');
    assert.deepEqual([report.failure?.step, report.failure?.status], ['allocate #1', 401]);
  });

  async function probe(url: string, family: 4 | 6, password = relay.password): Promise<ProbeReport> {
    const lines: string[] = [];
    await runProbe(url, {
      user: relay.username,
      password,
      family,
      insecure: true,
      json: true,
      out: (line) => lines.push(line),
    });
    return JSON.parse(lines[0] ?? '');
  }
});

describe('culvert probe as a command, beside a relay that generated its credentials', {
  skip: missing('openssl'),
}, () => {
  let relay: Relay;
  before(async () => {
    relay = await startRelay({ generatedCredentials: true });
  });
  after(async () => {
    await relay?.stop();
  });

  test('finds those credentials and exits 0', async () => {
    const { code, output } = await runBeside(relay, ['probe', `turn:127.0.0.1:${relay.port}`]);
    assert.equal(code, 0, output);
    assert.match(output, /✔ allocate #2 .* relayed address 127\.0\.0\.1:\d+/);
    assert.match(output, /everything works/);
  });

  test('exits 1 when it does not work, with one sentence', async () => {
    const { code, output } = await runBeside(relay, ['probe', `turn:alice:wrong@127.0.0.1:${relay.port}`]);
    assert.equal(code, 1, output);
    assert.match(output, /^culvert probe: allocate #1 failed: .*likely cause: .*$/m);
  });

  test('exits 2 for wrong usage', async () => {
    for (const args of [
      ['probe', 'udp:127.0.0.1'],
      ['probe', 'gopher:127.0.0.1'],
      ['probe'],
      ['probe', 'turn:a', '--nope'],
    ]) {
      const { code, output } = await runBeside(relay, args);
      assert.equal(code, 2, output);
      assert.equal(output.trim().split('\n').length, 1, output);
    }
  });
});
