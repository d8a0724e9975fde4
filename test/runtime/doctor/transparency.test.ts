import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CommandResult } from '../../../src/runtime/doctor/command.ts';
import { localTables, transparencyFindings } from '../../../src/runtime/doctor/transparency.ts';
import { configOf, temporaryFolder } from '../../control/config/rig.ts';

const yaml = `forward:
  - { name: web, listen: ["tcp://0.0.0.0:80", "tcp://[::]:80"], to: "tcp://app.example:80", transparent: true }
  - { name: dns, listen: "udp://0.0.0.0:53", to: "udp://192.0.2.1:53" }
`;

test('nothing is said where no forward asks for it', async (t) => {
  const config = await configOf(temporaryFolder(t), { yaml: yaml.replace('true', 'false') });
  const tables = await localTables(config, () => assert.fail('asked'));
  assert.deepEqual(transparencyFindings({ config, obstacle: undefined, tables }), []);
});

test('the right, and for each family a table by which replies come back', async (t) => {
  const config = await configOf(temporaryFolder(t), { yaml });
  const answers: Record<string, unknown> = {
    '-j -4 rule show': [{ table: 'local' }, { fwmark: '0x1', table: '51820' }, { fwmark: '0x2a', table: 100 }],
    '-j -4 route show table 51820': [{ dst: 'default', dev: 'wg0' }],
    '-j -4 route show table 100': [{ type: 'local', dst: 'default', dev: 'lo' }],
  };
  const ip = async (args: readonly string[]): Promise<CommandResult> => {
    const answer = answers[args.join(' ')];
    return answer === undefined ? { ok: false, reason: 'failed' } : { ok: true, output: JSON.stringify(answer) };
  };
  const tables = await localTables(config, ip);
  const obstacle = { detail: 'without the right', fix: 'give it' };
  const found = transparencyFindings({ config, obstacle, tables });
  assert.deepEqual(
    found.map(({ name, level }) => `${name} ${level}`),
    ['transparent problem', 'replies-ipv4 ok', 'replies-ipv6 note'],
  );
  assert.match(found[1]?.what ?? '', /by table 100 where they are marked/);
  assert.match(found[2]?.fix ?? '', /^ip -6 rule add fwmark .*docs\/forward\.md$/);
  assert.equal(transparencyFindings({ config, obstacle: undefined, tables })[0]?.level, 'ok');
});
