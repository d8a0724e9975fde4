import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { printYaml } from '../../../src/control/config/print.ts';
import { configOf, faultsOf, loadFrom, temporaryFolder } from './rig.ts';

const KEY = 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=';
const OTHER = 'TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=';

describe('wireguard', () => {
  test('is on without a file, and with an empty section', async (context) => {
    const folder = temporaryFolder(context);
    for (const given of [{}, { yaml: 'wireguard:\n' }]) {
      const { wireguard } = await configOf(folder, given);
      assert.deepEqual(
        wireguard?.listen.map(({ transport, local }) => `${transport} ${local.address} ${local.port}`),
        ['udp 0.0.0.0 51820', 'udp :: 51820'],
      );
      assert.deepEqual([wireguard?.peers, wireguard?.challenge, wireguard?.timeout], [[], false, 300_000]);
    }
    assert.equal((await configOf(folder, { yaml: 'turn:\n' })).wireguard, undefined);
  });

  test('peers come from the file, from a variable, and from --set', async (context) => {
    const folder = temporaryFolder(context);
    const yaml = `wireguard:\n  peers:\n    - { name: laptop, publicKey: "${KEY}" }\n    - publicKey: "${OTHER}"\n`;
    const json = JSON.stringify([{ name: 'laptop', publicKey: KEY }, { publicKey: OTHER }]);
    const variable = { environment: { CULVERT_WIREGUARD_PEERS: json } };
    for (const given of [{ yaml }, variable, { set: [`wireguard.peers=${json}`] }]) {
      const { wireguard } = await configOf(folder, given);
      assert.deepEqual(
        wireguard?.peers.map(({ name, publicKey }) => [name, Buffer.from(publicKey).toString('base64')]),
        [
          ['laptop', KEY],
          ['unnamed', OTHER],
        ],
      );
    }
    const first = await loadFrom(folder, { yaml });
    assert.ok(first.ok);
    const again = await loadFrom(folder, { yaml: await printYaml(first.tree) });
    assert.ok(again.ok);
    assert.deepEqual(again.config, first.config);
  });

  test("LANrage's variables set port and address, ours win", async (context) => {
    const folder = temporaryFolder(context);
    const environment = { LANRAGE_MODE: 'relay', LANRAGE_RELAY_PORT: '51900', LANRAGE_RELAY_IP: '203.0.113.9' };
    const config = await configOf(folder, { environment });
    assert.deepEqual(
      config.wireguard?.listen.map(({ local }) => local.port),
      [51900, 51900],
    );
    assert.equal(config.public.ipv4, '203.0.113.9');
    const ours = await configOf(folder, { environment, set: ['wireguard.listen=udp://127.0.0.1:5'] });
    assert.deepEqual(
      ours.wireguard?.listen.map(({ local }) => local.port),
      [5],
    );
    assert.equal((await configOf(folder, { yaml: 'turn:\n', environment })).public.ipv4, undefined);
    const wrong = await faultsOf(folder, { environment: { LANRAGE_RELAY_PORT: 'many' } });
    assert.match(wrong.join(), /^LANRAGE_RELAY_PORT: wireguard\.listen\[0\]: "udp:\/\/0\.0\.0\.0:many"/);
  });

  const cases: { name: string; yaml: string; faults: RegExp[] }[] = [
    {
      name: 'a key that is none',
      yaml: 'wireguard:\n  peers:\n    - { name: a, publicKey: abc }',
      faults: [/^config\.yaml:3: wireguard\.peers\[0\]\.publicKey: is not a WireGuard key/],
    },
    {
      name: 'a peer without a key',
      yaml: 'wireguard: { peers: [{ name: a }] }',
      faults: [/^config\.yaml:1: wireguard\.peers\[0\]/],
    },
    {
      name: 'a peer with something else',
      yaml: `wireguard: { peers: [{ publicKey: "${KEY}", endpoint: x }] }`,
      faults: [/wireguard\.peers\[0\]\.endpoint: is not a known key/],
    },
    { name: 'peers that are no list', yaml: 'wireguard: { peers: laptop }', faults: [/: must be a list of/] },
    {
      name: 'one key twice',
      yaml: `wireguard: { peers: [{ publicKey: "${KEY}" }, { publicKey: "${KEY}" }] }`,
      faults: [/wireguard\.peers\[1\]: has the public key of an earlier peer/],
    },
    {
      name: 'a challenge without peers',
      yaml: 'wireguard:\n  challenge: true',
      faults: [/^config\.yaml:2: wireguard\.challenge: needs wireguard\.peers/],
    },
    { name: 'TCP', yaml: 'wireguard: { listen: "tcp://0.0.0.0:1" }', faults: [/listens on UDP only/] },
    { name: 'no listener', yaml: 'wireguard: { listen: [] }', faults: [/wireguard\.listen: is empty/] },
    { name: 'no time', yaml: 'wireguard: { timeout: 0s }', faults: [/wireguard\.timeout: must be longer/] },
    { name: 'a block with bits beyond', yaml: 'limits: { block: 10.0.0.1/8 }', faults: [/limits\.block\[0\]: .*CIDR/] },
  ];
  for (const { name, yaml, faults } of cases) {
    test(`fault: ${name}`, async (context) => {
      const found = await faultsOf(temporaryFolder(context), { yaml });
      assert.equal(found.length, faults.length, found.join('\n'));
      for (const [index, expected] of faults.entries()) assert.match(found[index] ?? '', expected);
    });
  }

  test('blocks and strikes', async (context) => {
    const yaml = 'limits: { block: [10.0.0.0/8, 2001:db8::1], strikes: { limit: 100, window: 30s } }';
    const { limits } = await configOf(temporaryFolder(context), { yaml });
    assert.deepEqual(
      limits.block.map(({ bits }) => bits),
      [8, 128],
    );
    assert.deepEqual(limits.strikes, { limit: 100, window: 30_000, duration: 600_000 });
  });

  test('proof is off, wants peers, and its key is a secret', async (context) => {
    const folder = temporaryFolder(context);
    assert.equal((await configOf(folder, { yaml: 'wireguard:\n' })).wireguard?.proof, undefined);
    const yaml = `wireguard: { peers: [{ publicKey: "${KEY}" }], proof: { privateKey: "${OTHER}", required: true } }\n`;
    const loaded = await loadFrom(folder, { yaml });
    assert.ok(loaded.ok);
    const { proof } = loaded.config.wireguard ?? {};
    assert.deepEqual(Buffer.from(proof?.privateKey ?? []).toString('base64'), OTHER);
    assert.deepEqual([proof?.required, proof?.agreementsPerSecond], [true, 1000]);
    const printed = await printYaml(loaded.tree);
    assert.ok(!printed.includes(OTHER) && printed.includes('********'));
    const alone = await faultsOf(folder, { yaml: 'wireguard: { proof: {} }\n' });
    assert.match(JSON.stringify(alone), /needs wireguard.peers/);
    const wrong = await faultsOf(folder, {
      yaml: `wireguard: { peers: [{ publicKey: "${KEY}" }], proof: { privateKey: "${OTHER.slice(1)}" } }\n`,
    });
    assert.equal(wrong.length, 1);
    assert.ok(!JSON.stringify(wrong).includes(OTHER.slice(1)));
  });
});
