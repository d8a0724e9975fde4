import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { configOf, faultsOf, loadFrom, temporaryFolder } from './rig.ts';

const SECRET = Buffer.alloc(32, 5).toString('base64');
const OTHER = Buffer.alloc(32, 6).toString('base64');
/** Of udp-relay, which everybody has. */
const PUBLIC = 'Zkw2SThGM2VndjZBcEMxNWZrSk85VTd4S2VERDZYdXI=';

describe('pair', () => {
  test('an empty section is v0.8.2 with its own times', async (context) => {
    const { pair } = await configOf(temporaryFolder(context), { yaml: 'pair:\n' });
    assert.deepEqual(
      [pair?.idle, pair?.sweep, pair?.legacy, pair?.antiReplay, pair?.secret],
      [30_000, 1_800, [], 'off', []],
    );
    assert.equal((await configOf(temporaryFolder(context), { yaml: 'turn:\n' })).pair, undefined);
  });

  test('what udp-relay takes as arguments', async (context) => {
    const yaml = `pair:
  listen: [udp://0.0.0.0:7000, "udp://[::]:7000"]
  secret: ${SECRET}
  buffers: { receive: 128k, send: 64k }
  sweep: 2s
  idle: 1m
`;
    const { pair } = await configOf(temporaryFolder(context), { yaml });
    assert.deepEqual(
      pair?.secret.map((key) => [...key]),
      [Array(32).fill(5)],
    );
    assert.deepEqual(pair?.buffers, { receive: 128_000, send: 64_000 });
    assert.deepEqual([pair?.sweep, pair?.idle], [2_000, 60_000]);
  });

  test('legacy: all, none, or some', async (context) => {
    const folder = temporaryFolder(context);
    const legacy = async (given: Parameters<typeof configOf>[1]) => (await configOf(folder, given)).pair?.legacy;
    assert.equal((await legacy({ yaml: 'pair: { legacy: true }' }))?.length, 5);
    assert.deepEqual(await legacy({ yaml: 'pair: { legacy: false }' }), []);
    assert.deepEqual(await legacy({ yaml: 'pair: { legacy: v0.8.0 }' }), ['v0.8.0']);
    assert.deepEqual(await legacy({ yaml: 'pair: { legacy: [v0.8.0, v0.5] }' }), ['v0.8.0', 'v0.5']);
    assert.equal((await legacy({ set: ['pair.legacy=true'] }))?.length, 5);
    assert.deepEqual(await legacy({ set: ['pair.legacy=v0.4,v0.1'] }), ['v0.4', 'v0.1']);
  });

  test('UDP_RELAY_SECRET_KEY gives the secret of a relay that is on; ours win over it, it wins over the file', async (context) => {
    const folder = temporaryFolder(context);
    const environment = { UDP_RELAY_SECRET_KEY: OTHER };
    const first = async (given: Parameters<typeof configOf>[1]) => (await configOf(folder, given)).pair?.secret[0]?.[0];
    assert.equal(await first({ environment }), 6);
    assert.equal(await first({ yaml: `pair: { secret: ${SECRET} }`, environment }), 6);
    assert.equal(await first({ environment: { ...environment, CULVERT_PAIR_SECRET: SECRET } }), 5);
    assert.equal(await first({ environment, set: [`pair.secret=${SECRET}`] }), 5);
    assert.equal((await configOf(folder, { yaml: 'turn:\n', environment })).pair, undefined);
  });

  const faults: [string, RegExp][] = [
    [`pair: { secret: ${PUBLIC} }`, /^config\.yaml:1: pair\.secret\[0\]: is the key that every copy of udp-relay has/],
    [`pair: { secret: [${SECRET}, ${PUBLIC.slice(0, -1)}] }`, /pair\.secret\[1\]: is the key that every copy/],
    ['pair: { secret: "not base64!" }', /pair\.secret\[0\]: is not base64/],
    ['pair: { secret: c2hvcnQ= }', /pair\.secret\[0\]: is shorter than 16 bytes/],
    ['pair: { secret: "" }', /pair\.secret\[0\]: is not base64/],
    ['pair: { listen: [] }', /pair\.listen: is empty/],
    ['pair: { listen: "tcp://0.0.0.0:6060" }', /pair\.listen\[0\]: tcp:\/\/ is not for pairs/],
    ['pair: { legacy: [v9] }', /pair\.legacy\[0\]: must be true, false, or of v0\.8\.0/],
    ['pair: { legacy: 5 }', /pair\.legacy: must be true, false or a list/],
    ['pair: { legacy: true, antiReplay: require }', /pair\.antiReplay: cannot be required of legacy clients/],
    ['pair: { idle: 0s }', /pair\.idle: must be longer than nothing/],
    ['pair: { sweep: 0s }', /pair\.sweep: must be longer than nothing/],
    ['pair: { rebind: { after: 999ms } }', /pair\.rebind\.after: must be at least 1s/],
  ];
  for (const [yaml, expected] of faults) {
    test(yaml, async (context) => {
      const found = await faultsOf(temporaryFolder(context), { yaml });
      assert.equal(found.length, 1, found.join('\n'));
      assert.match(found[0] ?? '', expected);
      assert.ok(!found[0]?.includes('Zkw2') && !found[0]?.includes('c2hv'), 'no secret is shown');
    });
  }

  test('the public key is refused from the environment too', async (context) => {
    const found = await faultsOf(temporaryFolder(context), { environment: { UDP_RELAY_SECRET_KEY: PUBLIC } });
    assert.equal(found.length, 1);
    assert.match(found[0] ?? '', /^UDP_RELAY_SECRET_KEY: pair\.secret\[0\]: is the key that every copy/);
  });

  test('legacy forms without a secret are warned of', async (context) => {
    const folder = temporaryFolder(context);
    for (const [legacy, warnings] of [
      ['v0.8.0', 0],
      ['v0.5', 1],
      ['true', 1],
    ] as const) {
      const result = await loadFrom(folder, { yaml: `pair: { legacy: ${legacy} }` });
      assert.ok(result.ok);
      assert.equal(result.warnings.length, warnings, legacy);
    }
  });
});

describe('one UDP listener in two sections', () => {
  const cases: [string, number][] = [
    ['turn: { listen: "udp://0.0.0.0:3478" }\npair: { listen: "udp://0.0.0.0:3478" }', 0],
    ['turn: { listen: "tcp://0.0.0.0:3478" }\npair: { listen: "udp://0.0.0.0:3478" }', 0],
    ['turn: { listen: "udp://0.0.0.0:3478" }\npair: { listen: "udp://127.0.0.1:3478" }', 1],
    ['pair: { listen: ["udp://0.0.0.0:3478", "udp://0.0.0.0:3478"] }', 1],
  ];
  for (const [yaml, count] of cases) {
    test(yaml.replace('\n', ' '), async (context) => {
      const found = await faultsOf(temporaryFolder(context), { yaml });
      assert.equal(found.length, count, found.join('\n'));
      if (count > 0) assert.match(found[0] ?? '', /is taken by .* already/);
    });
  }
});
