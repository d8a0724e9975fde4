// The commands that ask a relay that runs, against one that does, with a live client of every service.
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { BlockView, ClientView, FlowView, ReloadReport, Status } from '../../src/control/admin/operations.ts';
import { TurnClient } from '../../src/probe/client.ts';
import type { Summary } from '../../src/runtime/banner.ts';
import { afterwards } from '../afterwards.ts';
import { temporaryFolder } from '../control/config/rig.ts';
import { PATIENCE_MILLIS } from '../patience.ts';
import { culvertUp, start, waitFor } from './culvert.ts';
import { Live } from './live.ts';

describe('with clients of every service', () => {
  test('status, clients and flows show them; a block cuts them all, at once and for good', async (context) => {
    const live = await Live.start(context);
    const links = {
      turn: await live.turn(),
      pair: await live.pair(),
      wireguard: await live.wireguard(),
      tcp: await live.tcp(),
    };
    for (const [name, works] of Object.entries(links)) assert.ok(await works(), name);

    const status = await live.json<Status>('status');
    assert.equal(status.state, 'ready');
    assert.deepEqual(
      status.services.map(({ service, clients }) => [service, clients]),
      [
        ['turn', 1],
        ['wireguard', 2],
        ['pair', 2],
        ['forward', 1],
      ],
    );
    for (const { service, flows, toPeer } of status.services) {
      assert.ok(toPeer.bytes > 0, service);
      assert.ok(service === 'forward' || flows > 0, service);
    }
    const [forward] = status.forwards;
    assert.equal(forward?.name, 'web');
    assert.deepEqual([forward?.down, forward?.inUse, forward?.upstreams.length], [false, 1, 1]);
    assert.equal(forward?.upstreams[0]?.up, true);
    const page = (await live.ask('status')).stdout;
    assert.match(page, /^Culvert \d+\.\d+\.\d+\n {2}state +ready\n {2}up +/);
    assert.match(page, /^ {2}engine +\w+, \S+ \(auto: /m);
    assert.match(page, /^ {2}turn +udp +127\.0\.0\.1:\d+$/m);
    assert.match(page, /^ {2}forward +tcp +127\.0\.0\.1:\d+ +web$/m);
    assert.match(page, /^ {2}wireguard +2 +\d+ /m);
    assert.match(page, /^ {2}web +up +1 +127\.0\.0\.1:\d+ +unchecked +\S/m);

    const { clients, total } = await live.json<{ clients: ClientView[]; total: number }>('clients');
    assert.equal(total, 6);
    assert.deepEqual(new Set(clients.map(({ service }) => service)), new Set(['turn', 'wireguard', 'pair', 'forward']));
    const turn = clients.find(({ service }) => service === 'turn');
    assert.deepEqual([turn?.id, turn?.listener], ['alice', `127.0.0.1:${live.at('turn').port}`]);
    assert.ok(turn !== undefined && turn.sent.packets > 0 && turn.received.packets === turn.sent.packets);
    const web = clients.find(({ service }) => service === 'forward');
    assert.ok(web !== undefined && web.id === 'web' && web.sent.bytes > 0 && web.received.bytes > 0);
    const listed = (await live.ask('clients', '--service', 'pair')).stdout.trimEnd().split('\n');
    assert.equal(listed.length, 3);
    assert.match(listed[0] ?? '', /^ {2}service +client +who +came in at /);
    assert.match(listed[1] ?? '', /^ {2}pair +127\.0\.0\.1:\d+ +[0-9a-f]{12} +127\.0\.0\.1:\d+ /);
    const all = await live.ask('clients', '--limit', '0', '--json');
    assert.equal(JSON.parse(all.stdout).total, 6);
    const few = await live.ask('clients', '--limit', '2');
    assert.equal(few.stdout.trimEnd().split('\n').length, 3);
    assert.match(few.stderr, /^culvert: these are 2 of 6 \(--limit 0 shows all\)\n$/);

    const flows = await live.json<{ flows: FlowView[]; total: number }>('flows', '--service', 'turn');
    assert.deepEqual(new Set(flows.flows.map(({ selector }) => selector)), new Set(['channel 0x4000', '']));
    assert.match((await live.ask('flows')).stdout, /^ {2}wireguard +to_peer +\S+ +\S+ +receiver 0x00000002 /m);

    const blocked = await live.ask('block', 'add', '127.0.0.0/8', '--reason', 'a test');
    assert.deepEqual([blocked.code, blocked.stdout, blocked.stderr], [0, '127.0.0.0/8 blocked\n', '']);
    const now = await live.json<Status>('status');
    assert.deepEqual(
      now.services.map(({ service, clients, flows }) => [service, clients, flows]),
      ['turn', 'wireguard', 'pair', 'forward'].map((service) => [service, 0, 0]),
    );
    for (const [words, line] of [
      [['clients'], 'No clients.\n'],
      [['clients', '--limit', '0', '--service', 'turn'], 'No clients of turn.\n'],
      [['clients', '--json'], '{"clients":[],"total":0}\n'],
      [['flows', '--service', 'pair'], 'No flows of pair.\n'],
    ] as const) {
      assert.deepEqual(await live.ask(...words), { code: 0, stdout: line, stderr: '' });
    }
    const on = await Promise.all(Object.values(links).map((works) => works(A_WHILE)));
    assert.deepEqual(on, [false, false, false, false]);
    const after = await live.json<Status>('status');
    for (const { service, drops } of after.services) {
      // The connection is cut, so that nothing more comes by it.
      if (service !== 'forward') assert.ok((drops.blocked ?? 0) > 0, service);
    }
    assert.ok(after.blocks.refused > 0);
    await assert.rejects(live.turn(A_WHILE));

    const removed = await live.ask('block', 'remove', '127.0.0.0/8', '--json');
    assert.deepEqual(JSON.parse(removed.stdout), { changed: [{ prefix: '127.0.0.0/8', kept: true }] });
    assert.equal((await live.ask('block', 'list')).stdout, 'Nobody is blocked.\n');
    assert.ok(await (await live.turn())());
    assert.ok(await (await live.tcp())());
  });

  test('drain takes nobody new, and waits for the last', async (context) => {
    const live = await Live.start(context);
    const works = await live.tcp();
    assert.ok(await works());
    const first = await live.json<{ left: number }>('drain');
    assert.equal(first.left, 1);
    assert.match((await live.ask('drain')).stdout, /^draining: 1 left \(.*forward 1.*\)\n$/);
    assert.match((await live.ask('status')).stdout, /^ {2}state +draining: 1 left$/m);
    assert.equal(await (await live.tcp())(A_WHILE), false);
    const waiting = start(['drain', '--wait', '--config', live.file]);
    await waitFor(() => waiting.stdout().startsWith('draining: 1 left'));
    assert.ok(await works(), 'who is there stays');
    await live.ask('block', 'add', '127.0.0.1');
    assert.equal(await waiting.ended(), 0);
    assert.match(waiting.stdout(), /^draining: 1 left .*\ndraining: 0 left .*\n$/);
    assert.equal(live.running?.child.exitCode, null, 'it runs on');
  });

  test('a drain is undone, and whoever waits for its end is told; that of an end is not', async (context) => {
    const live = await Live.start(context);
    const works = await live.tcp();
    assert.ok(await works());
    const waiting = start(['drain', '--wait', '--config', live.file]);
    await waitFor(() => waiting.stdout().startsWith('draining: 1 left'));
    const undone = await live.ask('drain', '--undo');
    assert.deepEqual(undone, { code: 0, stdout: 'new clients are taken again\n', stderr: '' });
    assert.equal(await waiting.ended(), 1);
    assert.equal(waiting.stderr(), 'culvert: the drain was undone: new clients are taken\n');
    assert.match((await live.ask('status')).stdout, /^ {2}state +ready$/m);
    for (const client of ['turn', 'pair', 'wireguard', 'tcp'] as const)
      assert.ok(await (await live[client]())(), client);
    assert.deepEqual(await live.json('drain', '--undo'), { undone: false });

    // A pair that talks is waited for.
    const talk = await live.pair();
    const talking = setInterval(() => void talk(A_WHILE).catch(() => false), 1000);
    afterwards(context, () => clearInterval(talking));
    live.running?.child.kill('SIGTERM');
    await waitFor(() => live.running?.stderr().includes('the end comes with the last') === true);
    const late = await live.ask('drain', '--undo');
    assert.deepEqual([late.code, late.stderr], [1, 'culvert: the relay is about to end\n']);
    const both = await live.ask('drain', '--undo', '--wait');
    assert.equal(both.code, 2);
    assert.match(both.stderr, /^culvert: option '--wait' cannot be used with option '--undo'/);
  });
});

test('SIGTERM waits for allocations as long as turn.drain says, refreshed or not, and takes no new ones', async (context) => {
  const state = join(temporaryFolder(context), 'state');
  const settings = ['listen=udp://127.0.0.1:0', 'relay.ipv4=127.0.0.1', 'users={"alice":"s3cret"}', 'drain=1h'];
  const turn = settings.flatMap((setting) => ['--set', `turn.${setting}`]);
  const running = await culvertUp(context, ['--json', ...turn, '--set', 'admin.listen=off', '--set', `state=${state}`]);
  const { listeners } = JSON.parse(running.stdout()) as Summary;
  const { local: remote } = listeners.find(({ service }) => service === 'turn') ?? assert.fail();
  const target = { kind: 'udp', remote, servername: '', insecure: false, timeout: PATIENCE_MILLIS } as const;
  const connect = async () => {
    const client = await TurnClient.connect(target, { username: 'alice', password: 's3cret' });
    context.after(() => client.close());
    return client;
  };
  const [client, late] = [await connect(), await connect()];
  await client.allocate({});
  running.child.kill('SIGTERM');
  await waitFor(() => running.stderr().includes('the end comes with the last'));
  await assert.rejects(late.allocate({}), /508/);
  assert.ok((await client.refresh(600)) > 0);
  assert.equal(running.child.exitCode, null);
  await client.refresh(0);
  assert.equal(await running.ended(), 0);
});

describe('blocks', () => {
  test('survive a restart, expire, and are listed; those of the configuration stay', async (context) => {
    const live = await Live.start(context, 'limits: { block: [198.51.100.0/24] }');
    assert.equal(
      (await live.ask('block', 'add', '192.0.2.1', '2001:db8::/32', '--for', '1h', '--reason', 'probing')).code,
      0,
    );
    assert.equal((await live.ask('block', 'add', '192.0.2.9', '--for', '1s')).code, 0);
    assert.equal(statSync(join(live.state, 'blocks.json')).mode & 0o777, 0o600);
    live.running?.child.kill('SIGKILL');
    await live.running?.ended();
    await live.up();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const { blocks } = await live.json<{ blocks: BlockView[] }>('block', 'list');
    const prefixes = blocks.map(({ prefix, by, note }) => [prefix, by, note]).sort();
    assert.deepEqual(prefixes, [
      ['192.0.2.1/32', 'manual', 'probing'],
      ['198.51.100.0/24', 'configured', ''],
      ['2001:db8::/32', 'manual', 'probing'],
    ]);
    const page = (await live.ask('block', 'list')).stdout;
    assert.match(page, /^ {2}192\.0\.2\.1\/32 +command +in 5\d min( \d+ s)? +probing$/m);
    assert.match(page, /^ {2}198\.51\.100\.0\/24 +configuration +until removed$/m);

    const refused = await live.ask('block', 'remove', '198.51.100.0/24');
    assert.deepEqual([refused.code, refused.stdout], [1, '']);
    assert.match(
      refused.stderr,
      /^culvert: 198\.51\.100\.0\/24 is blocked by the configuration: take it out of limits\.block/,
    );
    const unknown = await live.ask('block', 'remove', '203.0.113.1');
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /^culvert: 203\.0\.113\.1\/32 is not blocked/);
  });
});

describe('reload', () => {
  test('says what changed and what waits; a faulty file changes nothing', async (context) => {
    const live = await Live.start(context);
    const forward = `forward: [{ name: other, listen: "tcp://127.0.0.1:0", to: "tcp://127.0.0.1:9" }]`;
    live.write(forward, 'limits: { block: [203.0.113.0/24], connections: 5 }\nlog: { level: debug }');
    const report = await live.json<ReloadReport>('reload');
    assert.deepEqual(report, {
      ok: true,
      changed: ['forward.other', 'forward.web', 'limits.block', 'log.level'],
      needsRestart: ['limits.connections'],
      faults: [],
      warnings: [],
      failures: [],
    });
    assert.match((await live.ask('block', 'list')).stdout, /203\.0\.113\.0\/24 +configuration/);
    assert.deepEqual(
      (await live.json<Status>('status')).forwards.map(({ name }) => name),
      ['other'],
    );
    assert.deepEqual((await live.ask('reload')).stdout, 'Nothing changed.\nWaits for a restart: limits.connections\n');

    writeFileSync(live.file, `${readFileSync(live.file, 'utf8')}turm: {}\n`);
    const faulty = await live.ask('reload');
    assert.deepEqual([faulty.code, faulty.stdout], [1, '']);
    const [first, second] = faulty.stderr.trimEnd().split('\n');
    assert.match(first ?? '', /^culvert: .*culvert\.yaml:\d+: turm: /);
    assert.equal(second, 'culvert: nothing was changed: the configuration is faulty');
    const asJson = await live.ask('reload', '--json');
    assert.equal(asJson.code, 1);
    assert.equal((JSON.parse(asJson.stdout) as ReloadReport).faults.length, 1);
    assert.equal((await live.ask('status')).code, 0, 'a faulty file still says where the relay is');
  });

  test('pair settings and users count from the next client on', async (context) => {
    const live = await Live.start(context);
    const text = readFileSync(live.file, 'utf8');
    writeFileSync(live.file, text.replace('pair: {', 'pair: { idle: 7s,').replace('s3cret', 'other'));
    const { changed, needsRestart } = await live.json<ReloadReport>('reload');
    assert.deepEqual([changed, needsRestart], [['pair.idle', 'turn.users'], []]);
    await assert.rejects(live.turn());
  });
});

/** Milliseconds in which whoever is served has long been answered. */
const A_WHILE = 1000;
