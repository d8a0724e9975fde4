import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { CommanderError } from 'commander';
import { probeCommand } from '../../src/cli/probe.ts';
import { afterwards } from '../afterwards.ts';
import { FakeTurn } from './fake-turn.ts';

afterEach(() => {
  process.exitCode = 0;
});

test('the command probes with its flags and sets the exit code', async (context) => {
  const server = await FakeTurn.start();
  afterwards(context, () => server.stop());
  const printed = context.mock.method(console, 'log', () => {});
  await run(
    `turn:127.0.0.1:${server.port}`,
    '--user',
    'alice',
    '--password',
    'secret',
    '--ipv4',
    '--timeout',
    '2s',
    '--json',
  );
  assert.equal(process.exitCode, 0);
  assert.equal(printed.mock.callCount(), 1);
  assert.equal(JSON.parse(String(printed.mock.calls[0]?.arguments[0])).ok, true);
  const allocate = server.seen.find(({ attributes }) => attributes.requestedTransport !== undefined);
  assert.equal(allocate?.attributes.requestedAddressFamily, 0x01);
});

test('wrong usage sets exit code 2', async (context) => {
  const said = context.mock.method(console, 'error', () => {});
  await run('udp:example.org');
  assert.equal(process.exitCode, 2);
  assert.match(String(said.mock.calls[0]?.arguments[0]), /host:port/);
});

for (const flags of [['--ipv4', '--ipv6'], ['--timeout', 'soon'], ['--timeout', '0'], ['--nonsense'], []]) {
  test(`"${flags.join(' ')}" is refused by the command line`, async () => {
    const url = flags.length === 0 ? [] : ['stun:127.0.0.1'];
    await assert.rejects(run(...url, ...flags), CommanderError);
  });
}

async function run(...args: string[]): Promise<void> {
  const command = probeCommand()
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  await command.parseAsync(args, { from: 'user' });
}
