import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { formatFault } from '../../../src/control/config/faults.ts';
import { loadConfig } from '../../../src/control/config/load.ts';
import { configOf, faultsOf, loadFrom, temporaryFolder } from './rig.ts';

describe('sources', () => {
  test('without any, TURN and pairs are on for everybody and admin for this machine', async (context) => {
    const config = await configOf(temporaryFolder(context), {});
    assert.deepEqual(
      config.turn?.listen.map(({ transport, local }) => `${transport} ${local.address} ${local.port}`),
      ['udp 0.0.0.0 3478', 'tcp 0.0.0.0 3478', 'udp :: 3478', 'tcp :: 3478'],
    );
    assert.deepEqual(
      config.pair?.listen.map(({ transport, local }) => `${transport} ${local.address} ${local.port}`),
      ['udp 0.0.0.0 6060', 'udp :: 6060'],
    );
    assert.deepEqual(config.turn?.relay.ports, { min: 49152, max: 65535 });
    assert.deepEqual(config.turn?.lifetime, { default: 600_000, max: 3_600_000 });
    assert.deepEqual(config.admin.listen, { family: 4, address: '127.0.0.1', port: 8666 });
  });

  test('a file without the section turn has no TURN', async (context) => {
    const result = await loadFrom(temporaryFolder(context), { yaml: 'log: { level: debug }' });
    assert.ok(result.ok);
    assert.equal(result.config.turn, undefined);
    assert.match(result.warnings.map(formatFault).join('\n'), /config\.yaml:1: no service is on/);
  });

  test('an empty section is a section with every default', async (context) => {
    const folder = temporaryFolder(context);
    assert.equal((await configOf(folder, { yaml: 'turn:\n' })).turn?.realm, 'culvert');
    assert.equal((await configOf(folder, { yaml: 'turn:\n  relay:\n  quota:\n' })).turn?.relay.ports.min, 49152);
  });

  test('later sources win: default, file, environment, --set', async (context) => {
    const folder = temporaryFolder(context);
    const yaml = 'turn: { realm: from-file, quota: { total: 5 } }';
    const environment = { CULVERT_TURN_REALM: 'from-environment' };
    const realm = async (given: Parameters<typeof configOf>[1]) => (await configOf(folder, given)).turn?.realm;
    assert.equal(await realm({ yaml: 'turn: {}' }), 'culvert');
    assert.equal(await realm({ yaml }), 'from-file');
    assert.equal(await realm({ yaml, environment }), 'from-environment');
    assert.equal(await realm({ yaml, environment, set: ['turn.realm=one', 'turn.realm=two'] }), 'two');
    const merged = await configOf(folder, { yaml, environment, set: ['turn.quota.perUser=3'] });
    assert.deepEqual(merged.turn?.quota, { perUser: 3, total: 5, bytesPerSecond: 0 });
  });

  test('thousands of users are no trouble', { timeout: 20_000 }, async (context) => {
    const users = Array.from({ length: 20_000 }, (_, index) => `    user${index}: password${index}\n`).join('');
    const { turn } = await configOf(temporaryFolder(context), { yaml: `turn:\n  users:\n${users}` });
    assert.equal(Object.keys(turn?.users ?? {}).length, 20_000);
  });

  test('a file without an end is not read to it', { skip: process.platform === 'win32' }, async () => {
    const result = await loadConfig({ file: '/dev/zero', environment: {}, overrides: [] });
    assert.deepEqual(!result.ok && result.faults.map(({ message }) => message), [
      'is larger than 1 MiB (is it the right file?)',
    ]);
  });

  test('text of the environment becomes what the key wants', async (context) => {
    const { turn, log } = await configOf(temporaryFolder(context), {
      environment: {
        CULVERT_TURN_LISTEN: 'udp://127.0.0.1:1, tls://[::1]:0',
        CULVERT_TURN_USERS: '{"alice":"a,b"}',
        CULVERT_TURN_SECRET: '["with,comma"]',
        CULVERT_TURN_QUOTA_PER_USER: '7',
        CULVERT_TURN_QUOTA_BYTES_PER_SECOND: '64k',
        CULVERT_TURN_STRICT_CHANNELS: 'true',
        CULVERT_TURN_SOFTWARE: 'false',
        CULVERT_TURN_FIREZONE_STAMP_SECRET: 's',
        CULVERT_TURN_PEERS_ALLOW: '10.0.0.0/8,fd00::/8',
        CULVERT_LOG_LEVEL: 'debug',
        CULVERT_REQUIRE: 'all',
        CULVERT_SERVICE_HOST: '10.0.0.1',
        CULVERT_PORT_3478_UDP: 'udp://10.0.0.1:3478',
      },
      set: ['turn.listen=udp://127.0.0.1:1', 'turn.users.bob=b'],
    });
    assert.deepEqual({ ...turn?.users }, { alice: 'a,b', bob: 'b' });
    assert.deepEqual(turn?.secret, ['with,comma']);
    assert.deepEqual(turn?.quota, { perUser: 7, total: 0, bytesPerSecond: 64_000 });
    assert.equal(turn?.strictChannels, true);
    assert.equal(turn?.software, '');
    assert.deepEqual(turn?.firezone.stampSecret, ['s']);
    assert.deepEqual(
      turn?.peers.allow.map(({ family, bits }) => [family, bits]),
      [
        [4, 8],
        [6, 8],
      ],
    );
    assert.equal(log.level, 'debug');
  });

  test('lists may be a single value; secrets may be several', async (context) => {
    const { turn } = await configOf(temporaryFolder(context), {
      yaml: 'turn:\n  listen: udp://0.0.0.0:3478\n  secret: [new, old]\n  peers: { deny: 192.0.2.1 }\n',
    });
    assert.equal(turn?.listen.length, 1);
    assert.deepEqual(turn?.secret, ['new', 'old']);
    assert.equal(turn?.peers.deny[0]?.bits, 32);
  });

  test('anchors are followed', async (context) => {
    const yaml = 'turn:\n  listen: [&a "udp://127.0.0.1:5"]\n  realm: &r example\n  software: *r\n';
    const { turn } = await configOf(temporaryFolder(context), { yaml });
    assert.equal(turn?.software, 'example');
  });

  test('paths in a file are relative to it, others to the working directory', async (context) => {
    const folder = temporaryFolder(context);
    assert.equal((await configOf(folder, { yaml: 'state: ./keep' })).state, join(folder, 'keep'));
    assert.equal(
      (await configOf(folder, { yaml: 'state: x', environment: { CULVERT_STATE: 'y' } })).state,
      join(process.cwd(), 'y'),
    );
  });

  test('the configuration is frozen', async (context) => {
    const config = await configOf(temporaryFolder(context), {});
    assert.throws(() => Object.assign(config.log, { level: 'trace' }), TypeError);
    assert.ok(Object.isFrozen(config.turn?.listen[0]?.local));
  });
});

describe('faults', () => {
  const cases: {
    name: string;
    yaml?: string;
    set?: string[];
    environment?: NodeJS.ProcessEnv;
    engine?: string;
    faults: RegExp[];
  }[] = [
    {
      name: 'unknown key',
      yaml: 'turn:\n  relm: x',
      faults: [/^config\.yaml:2: turn\.relm: is not a known key \(did you mean "realm"\?\)$/],
    },
    {
      name: 'a realm that grows too long when it is prepared',
      yaml: `turn: { realm: "${'\u0958'.repeat(64)}" }`,
      faults: [/^config\.yaml:1: turn\.realm: must be shorter$/],
    },
    { name: 'unknown section', yaml: 'trun: {}', faults: [/^config\.yaml:1: trun: .*"turn"/] },
    {
      name: 'unknown keys, several in one section',
      yaml: 'turn:\n  a1: 1\n  b2: 2',
      faults: [/:2: turn\.a1: is not a known key/, /:3: turn\.b2: /],
    },
    { name: 'no such engine', engine: 'warp', faults: [/^--engine: must be one of auto, portable, batched, xdp$/] },
    {
      name: 'later transport',
      yaml: 'turn: { listen: "dtls://0.0.0.0:5349" }',
      faults: [/turn\.listen\[0\]: dtls:\/\/ is not available/],
    },
    {
      name: 'number for text',
      yaml: 'turn:\n  realm: 12',
      faults: [/^config\.yaml:2: turn\.realm: must be text \(put quotes/],
    },
    {
      name: 'text for number',
      yaml: 'turn: { quota: { total: many } }',
      faults: [/turn\.quota\.total: must be a whole number from 0 to/],
    },
    { name: 'text for section', yaml: 'turn: yes', faults: [/^config\.yaml:1: turn: must be a section/] },
    { name: 'list for section', yaml: 'turn: []', faults: [/turn: must be a section/] },
    { name: 'list for map', yaml: 'turn: { users: [alice] }', faults: [/turn\.users: must map names to values/] },
    {
      name: 'password that is a number',
      yaml: 'turn: { users: { alice: 12345 } }',
      faults: [/turn\.users\.alice: must be text \(put quotes/],
    },
    {
      name: 'name that JavaScript keeps',
      yaml: 'turn: { users: { __proto__: abc } }',
      faults: [/turn\.users\.__proto__: is a name that cannot be used/],
    },
    { name: 'empty user name', yaml: 'turn: { users: { "": abc } }', faults: [/a user name must not be empty/] },
    {
      name: 'duration without unit',
      yaml: 'turn: { lifetime: { max: 3600 } }',
      faults: [/turn\.lifetime\.max: must be a duration: a whole number and a unit \(500ms/],
    },
    { name: 'bad duration', yaml: 'turn: { lifetime: { max: 1 hour } }', faults: [/"1 hour" is not a duration/] },
    {
      name: 'default above maximum',
      yaml: 'turn: { lifetime: { default: 2h } }',
      faults: [/turn\.lifetime\.default: is longer than turn\.lifetime\.max/],
    },
    {
      name: 'ports upside down',
      yaml: 'turn: { relay: { ports: 6000-5000 } }',
      faults: [/turn\.relay\.ports: .*\(write 5000-6000\)/],
    },
    { name: 'port too high', yaml: 'turn: { listen: "udp://0.0.0.0:70000" }', faults: [/ports go up to 65535/] },
    {
      name: 'name for address',
      yaml: 'turn: { listen: "udp://localhost:3478" }',
      faults: [/"localhost" is not an IP address \(listeners take addresses/],
    },
    {
      name: 'CIDR with host bits',
      yaml: 'turn: { peers: { allow: [0.0.0.0/0, 10.0.0.1/8] } }',
      faults: [/turn\.peers\.allow\[1\]: "10\.0\.0\.1\/8" is not an address block/],
    },
    {
      name: 'IPv6 where IPv4 belongs',
      yaml: 'public: { ipv4: "::1" }',
      faults: [/public\.ipv4: "::1" is not an IPv4 address/],
    },
    { name: 'no listeners', yaml: 'turn: { listen: [] }', faults: [/turn\.listen: is empty/] },
    {
      name: 'ports that clash in a section',
      yaml: 'turn:\n  listen:\n    - udp://0.0.0.0:3478\n    - udp://127.0.0.1:3478',
      faults: [/^config\.yaml:4: turn\.listen\[1\]: .*taken by turn\.listen\[0\]/],
    },
    {
      name: 'ports that clash between sections',
      yaml: 'turn: { listen: "tcp://0.0.0.0:8666" }',
      faults: [/admin\.listen: TCP port 8666 .*taken by turn\.listen\[0\]/],
    },
    {
      name: 'tls without certificate',
      yaml: 'turn: { listen: "tls://0.0.0.0:5349" }',
      faults: [/turn\.listen\[0\]: a tls:\/\/ listener needs turn\.tls/],
    },
    { name: 'half a certificate', yaml: 'turn: { tls: { cert: a.pem } }', faults: [/turn\.tls\.key: is missing/] },
    {
      name: 'certificate that is not there',
      yaml: 'turn:\n  tls:\n    cert: a.pem\n    key: b.pem',
      faults: [
        /:3: turn\.tls\.cert: a\.pem: there is no such file/,
        /:4: turn\.tls\.key: b\.pem: there is no such file/,
      ],
    },
    {
      name: 'admin for everybody without token',
      yaml: 'admin: { listen: "http://0.0.0.0:1" }',
      faults: [/admin\.listen: .*has no admin\.token/],
    },
    { name: 'short token', yaml: 'admin: { token: abc }', faults: [/admin\.token: must have at least 16 characters/] },
    {
      name: 'secret that YAML takes for a number',
      yaml: 'turn: { secret: 12345 }',
      faults: [/turn\.secret: must be text, or a list of it \(put quotes round numbers\)$/],
    },
    { name: 'empty secret', yaml: 'turn: { secret: "" }', faults: [/turn\.secret\[0\]: must not be empty/] },
    { name: 'duplicate key', yaml: 'log: {}\nlog: {}', faults: [/^config\.yaml:2: repeats a key/] },
    {
      name: 'larger than any configuration',
      yaml: 'x: 1\n'.repeat(300_000),
      faults: [/^config\.yaml: is larger than 1 MiB/],
    },
    {
      name: 'more values than any configuration',
      yaml: `turn: { users: [${'1,'.repeat(100_001)}] }`,
      faults: [/turn\.users\[99997\]: is too much: a file may hold 100000 values/, /turn\.users: must map names/],
    },
    { name: 'tabs', yaml: 'turn:\n\trealm: x', faults: [/^config\.yaml:2: is indented with tabs/] },
    {
      name: 'a bracket that stays open',
      yaml: 'turn:\n  users: { a: b\npair:\n',
      faults: [/^config\.yaml:3: comes while a \{ or \[ above is still open/],
    },
    {
      name: 'one mistake that the parser finds many in',
      yaml: 'pair: { listen: udp://[::]:6060, idle: 30s }',
      faults: [/^config\.yaml:1: .*put values with \[ \] \{ \} : # in quotes/],
    },
    { name: 'not a map', yaml: '- turn', faults: [/^config\.yaml:1: must hold keys and values/] },
    {
      name: 'alias without anchor',
      yaml: 'turn: { secret: *hidden }',
      faults: [/turn\.secret: refers to an anchor that does not exist/],
    },
    { name: 'alias to itself', yaml: 'turn: &t\n  users: *t', faults: [/nested too deeply/] },
    {
      name: 'unknown variable',
      environment: { CULVERT_TURN_RELAM: 'x' },
      faults: [/^CULVERT_TURN_RELAM: is no setting of Culvert \(did you mean CULVERT_TURN_REALM\?\)$/],
    },
    {
      name: 'bad variable',
      environment: { CULVERT_LOG_LEVEL: 'loud' },
      faults: [/^CULVERT_LOG_LEVEL: log\.level: must be one of trace,/],
    },
    {
      name: 'map that is no JSON',
      environment: { CULVERT_TURN_USERS: 'alice:b' },
      faults: [/^CULVERT_TURN_USERS: turn\.users: must be a JSON object/],
    },
    { name: '--set without value', set: ['turn.realm'], faults: [/^--set turn\.realm: must be path=value/] },
    {
      name: '--set of nothing',
      set: ['turn.rely.ports=1'],
      faults: [/^--set turn\.rely\.ports: .*did you mean "turn\.relay\.ports"/],
    },
    {
      name: '--set of a prototype',
      set: ['__proto__.polluted=1'],
      faults: [/^--set __proto__\.polluted: is not a known key/],
    },
    {
      name: '--set with a bad value',
      set: ['turn.quota.total=x'],
      faults: [/^--set turn\.quota\.total: must be a whole number/],
    },
  ];
  for (const { name, faults, ...given } of cases) {
    test(name, async (context) => {
      const found = await faultsOf(temporaryFolder(context), given);
      for (const [index, fault] of faults.entries()) assert.match(found[index] ?? '(no fault)', fault);
      assert.equal(found.length, faults.length, found.join('\n'));
      for (const fault of found) assert.doesNotMatch(fault, /\n/);
    });
  }

  test('all at once, in the order of the sources', async (context) => {
    const found = await faultsOf(temporaryFolder(context), {
      yaml: 'engine: warp\nturn:\n  listen: [foo, "udp://0.0.0.0:1", "udp://127.0.0.1:1"]\n  realm: 1\n  quota: { perUsr: 1 }\nlog: { level: x }\n',
      environment: { CULVERT_LOG_FORMAT: 'xml' },
      set: ['turn.maxChannels=0'],
    });
    assert.deepEqual(
      found.map((fault) => fault.replace(/^(config\.yaml:\d+: [^:]+|[^:]+):.*$/, '$1')),
      [
        'config.yaml:1: engine',
        'config.yaml:3: turn.listen[0]',
        'config.yaml:3: turn.listen[2]',
        'config.yaml:4: turn.realm',
        'config.yaml:5: turn.quota.perUsr',
        'config.yaml:6: log.level',
        'CULVERT_LOG_FORMAT',
        '--set turn.maxChannels',
      ],
    );
  });

  test('secrets are in none of them', async (context) => {
    const folder = temporaryFolder(context);
    const hidden = 'hunter2';
    for (const yaml of [
      `turn: { users: { alice: *${hidden} } }`,
      `turn: { users: { alice: !${hidden} x } }`,
      `turn: { secret: [[${hidden}]] }`,
      `turn: { secret: { ${hidden}: 1 } }`,
      `turn: { users: ${hidden} }`,
      `admin: { token: ${hidden} }`,
      `turn: { users: { alice: "${hidden} } }`,
      `turn:\n  secret: ${hidden}: x`,
    ]) {
      const found = await faultsOf(folder, { yaml });
      assert.ok(found.length > 0, yaml);
      for (const fault of found) assert.ok(!fault.includes(hidden), fault);
    }
    const environment = { CULVERT_TURN_USERS: `{"alice":"${hidden}"`, CULVERT_ADMIN_TOKEN: hidden };
    for (const fault of await faultsOf(folder, { environment })) assert.ok(!fault.includes(hidden), fault);
  });

  test('files that cannot be read', async (context) => {
    const folder = temporaryFolder(context);
    const given = (file: string) => loadConfig({ file, environment: {}, overrides: [] });
    for (const [file, reason] of [
      [join(folder, 'none.yaml'), 'there is no such file (check its path)'],
      [folder, 'is a folder, not a file'],
    ] as const) {
      const result = await given(file);
      assert.ok(!result.ok);
      assert.deepEqual(
        result.faults.map(({ message }) => message),
        [reason],
      );
    }
  });

  test('warnings do not stop the start', async (context) => {
    const result = await loadFrom(temporaryFolder(context), {
      yaml: 'turn: { listen: "udp://0.0.0.0:50000" }\nadmin: { listen: "http://0.0.0.0:1", token: 0123456789abcdefg }',
    });
    assert.ok(result.ok);
    assert.deepEqual(
      result.warnings.map(({ path }) => path.join('.')),
      ['turn.listen.0', 'admin.listen'],
    );
  });
});
