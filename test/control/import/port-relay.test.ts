import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatFault } from '../../../src/control/config/faults.ts';
import { loadConfig } from '../../../src/control/config/load.ts';
import { parseEnvFile } from '../../../src/control/import/env-file.ts';
import { readPortRelay } from '../../../src/control/import/port-relay.ts';
import { culvert } from '../../cli/culvert.ts';
import { configOf, faultsOf, temporaryFolder } from '../config/rig.ts';

const FILE = `# port-relay
RELAY_1="50025;25;btc.trustpool.cc;TCP"
RELAY_2='51821;51820;vpn.example.com;UDP'
export RELAY_10=8443;443;192.0.2.7;tcp   # web
RELAY_3="53;53;2001:db8::53;udp"

CONNECT_TIMEOUT=5
KEEPALIVE_IDLE=60
KEEPALIVE_INTVL=10
KEEPALIVE_CNT=3
ENABLE_LOGGING=false
ENABLE_HEALTH_CHECK=true
HEALTH_CHECK_TIMEOUT=3
HEALTH_CHECK_RETRIES=2
`;

const read = (text: string) => {
  const { variables, faults } = parseEnvFile(text, '.env');
  const relay = readPortRelay(variables);
  return { ...relay, faults: [...faults, ...relay.faults].map(formatFault) };
};

test('every line and setting of its file', () => {
  const { forwards, logLevel, faults } = read(FILE);
  assert.deepEqual(faults, []);
  const tcp = {
    connectTimeout: '5s',
    keepAlive: { idle: '60s', interval: '10s', count: 3 },
    health: { timeout: '3s', fall: 2 },
  };
  assert.deepEqual(
    forwards.map(({ written }) => written),
    [
      { name: 'relay-1', listen: 'tcp://0.0.0.0:50025', to: ['tcp://btc.trustpool.cc:25'], ...tcp },
      { name: 'relay-2', listen: 'udp://0.0.0.0:51821', to: ['udp://vpn.example.com:51820'] },
      { name: 'relay-3', listen: 'udp://0.0.0.0:53', to: ['udp://[2001:db8::53]:53'] },
      { name: 'relay-10', listen: 'tcp://0.0.0.0:8443', to: ['tcp://192.0.2.7:443'], ...tcp },
    ],
  );
  assert.equal(logLevel?.level, 'warn');
});

for (const [line, fault] of [
  [
    'RELAY_1="80;80;host"',
    '.env:1: RELAY_1: "80;80;host" is not of four parts (write in_port;out_port;out_host;TCP or UDP)',
  ],
  ['RELAY_1="0;80;host;TCP"', '.env:1: RELAY_1: "0" is not a port (1 to 65535)'],
  ['RELAY_1="80;65536;host;TCP"', '.env:1: RELAY_1: "65536" is not a port (1 to 65535)'],
  ['RELAY_1="80;80;ho st;TCP"', '.env:1: RELAY_1: "ho st" is neither an address nor a host name'],
  ['RELAY_1="80;80;10.0.0.300;TCP"', '.env:1: RELAY_1: "10.0.0.300" is neither an address nor a host name'],
  ['RELAY_1="80;80;host;SCTP"', '.env:1: RELAY_1: "SCTP" is not a protocol (write TCP or UDP)'],
  ['RELAY_1="80;80;host;TCP', '.env:1: RELAY_1: has a quote that is not closed'],
  ['\nwhat is this', '.env:2: is not NAME=value (or put # in front)'],
  [
    'RELAY_1=80;80;a;TCP\nRELAY_2=80;81;b;TCP\nRELAY_3=80;80;a;UDP',
    '.env:2: RELAY_2: TCP port 80 is taken by RELAY_1 already',
  ],
  ['CONNECT_TIMEOUT=soon', '.env:1: CONNECT_TIMEOUT: "soon" is not a whole number of seconds above 0'],
  ['ENABLE_LOGGING=perhaps', '.env:1: ENABLE_LOGGING: "perhaps" is not true or false'],
] as const) {
  test(`fault: ${line.trim()}`, () => assert.deepEqual(read(line).faults, [fault]));
}

test('the environment may hold them; then no other service is on', async (context) => {
  const folder = temporaryFolder(context);
  const environment = { RELAY_1: '8080;80;app.example;TCP', CONNECT_TIMEOUT: '7' };
  const { forward, turn } = await configOf(folder, { environment });
  assert.equal(turn, undefined);
  assert.deepEqual([forward?.length, forward?.[0]?.connectTimeout], [1, 7000]);
  const both = await configOf(folder, {
    environment,
    yaml: 'turn: {}\nforward:\n  - { name: a, listen: "udp://0.0.0.0:9", to: "udp://b:9" }',
  });
  assert.deepEqual(
    both.forward?.map(({ name }) => name),
    ['a', 'relay-1'],
  );
  assert.notEqual(both.turn, undefined);
  assert.notEqual((await configOf(folder, { environment: { CONNECT_TIMEOUT: 'x' } })).turn, undefined);
  assert.deepEqual(await faultsOf(folder, { environment: { RELAY_7: 'x' } }), [
    'RELAY_7: "x" is not of four parts (write in_port;out_port;out_host;TCP or UDP)',
  ]);
});

test('--env-file: variables that are set win, and faults of our own checks name the line', async (context) => {
  const envFile = join(temporaryFolder(context), '.env');
  writeFileSync(envFile, 'RELAY_1=80;80;a;TCP\nCULVERT_LOG_LEVEL=debug\nRELAY_2=8666;80;a;TCP\n');
  const result = await loadConfig({ envFile, environment: { RELAY_1: '81;80;a;TCP' }, overrides: [] });
  assert.equal(result.ok, false);
  const [fault] = result.ok ? [] : result.faults.map(formatFault);
  assert.match(fault ?? '', /\.env:3: forward\[1\]\.listen|admin\.listen: TCP port 8666/);
  const good = await loadConfig({ envFile, environment: { RELAY_2: '82;80;a;TCP' }, overrides: [] });
  assert.ok(good.ok);
  assert.equal(good.config.log.level, 'debug');
  const missing = await loadConfig({ envFile: `${envFile}.not`, environment: {}, overrides: [] });
  assert.match(missing.ok ? '' : formatFault(missing.faults[0] ?? assert.fail()), /there is no such file/);
});

test('culvert import port-relay prints what loads to the same; --partial leaves out what is faulty', async (context) => {
  const folder = temporaryFolder(context);
  const file = join(folder, '.env');
  writeFileSync(file, FILE);
  const done = await culvert(['import', 'port-relay', file]);
  assert.equal(done.code, 0, done.stderr);
  assert.doesNotMatch(done.stdout, /[&*]a\d/);
  const imported = await configOf(folder, { yaml: done.stdout });
  const direct = await loadConfig({ envFile: file, environment: {}, overrides: [] });
  assert.ok(direct.ok);
  assert.deepEqual(imported.forward, direct.config.forward);
  assert.equal(imported.log.level, 'warn');

  writeFileSync(file, `${FILE}RELAY_4=1;2;3\n`);
  const refused = await culvert(['import', 'port-relay', file]);
  assert.deepEqual([refused.code, refused.stdout], [2, '']);
  assert.match(refused.stderr, /\.env:15: RELAY_4: "1;2;3" is not of four parts/);
  const partial = await culvert(['import', 'port-relay', '--partial', file]);
  assert.deepEqual([partial.code, partial.stdout], [0, done.stdout]);
  assert.match(partial.stderr, /left out: .*RELAY_4/);
  writeFileSync(file, 'A=1\n');
  assert.equal((await culvert(['import', 'port-relay', '--partial', file])).code, 2);
  const missing = await culvert(['import', 'port-relay', `${file}.not`]);
  assert.deepEqual(
    [missing.code, missing.stderr],
    [2, `culvert: ${file}.not: there is no such file (check its path)\n`],
  );
});
