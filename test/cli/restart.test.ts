import assert from 'node:assert/strict';
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { crc32 } from 'node:zlib';
import { entryLine, headerLine, readJournal } from '../../src/control/state/journal-lines.ts';
import { afterwards } from '../afterwards.ts';
import { missing } from '../requirements.ts';
import { culvert, waitFor } from './culvert.ts';
import { Clients, type Context, RestartRig, Wire } from './restart-rig.ts';

async function begin(context: Context) {
  const upstream = await Wire.open(context);
  const rig = await RestartRig.make(context, upstream.local.port);
  const running = await rig.up();
  const clients = await Clients.meet(context, rig, upstream);
  return { rig, running, clients };
}

/** Until the journal has an entry of each service, the answered session included. */
async function untilKept({ state }: RestartRig): Promise<void> {
  const entries = () => {
    const { values } = readJournal(join(state, 'clients.journal'));
    return ['turn', 'pair', 'forward'].map((service) => JSON.stringify([...(values.get(service)?.values() ?? [])]));
  };
  await waitFor(() => {
    const [turn = '', pair = '', forward = ''] = entries();
    return turn.includes('"channels":[{') && pair.includes('"busy":true') && forward.includes('"answered":true');
  });
}

/** Nobody begins anew: what each of them did last goes on where it was. */
async function goOn(rig: RestartRig, clients: Clients, what: string): Promise<void> {
  const { turn, channel, relayed, peer, pair, forward, upstream } = clients;
  const [a, b] = pair;
  const source = upstream.heard[0]?.from;
  assert.ok((await turn.refresh(600)) > 0);
  await untilHeard(
    () => turn.sendChannelData(channel, Buffer.from(`out ${what}`)),
    () => peer.heardOf(`out ${what}`) !== undefined,
  );
  assert.deepEqual(peer.heardOf(`out ${what}`), relayed, 'from the old relayed port');
  await untilHeard(
    () => peer.send(relayed, `in ${what}`),
    () => clients.received.includes(`in ${what}`),
  );
  for (const [from, to] of [[a, b] as const, [b, a] as const]) {
    await untilHeard(
      () => from.send(rig.at('pair'), `pair ${what}`),
      () => to.heardOf(`pair ${what}`) !== undefined,
    );
  }
  await untilHeard(
    () => forward.send(rig.at('forward'), `up ${what}`),
    () => upstream.heardOf(`up ${what}`) !== undefined,
  );
  assert.deepEqual(upstream.heardOf(`up ${what}`), source, 'from the old source port');
  assert.ok(source);
  await untilHeard(
    () => upstream.send(source, `down ${what}`),
    () => forward.heardOf(`down ${what}`) !== undefined,
  );
}

/** Sends again and again: behind a load a datagram may find a full queue. */
async function untilHeard(send: () => void, isHeard: () => boolean): Promise<void> {
  await waitFor(() => {
    if (isHeard()) return true;
    send();
    return false;
  });
}

describe('a relay that is killed', () => {
  test('goes on with every client, after two crashes in a row too', async (context) => {
    const { rig, running, clients } = await begin(context);
    await goOn(rig, clients, 'first');
    await untilKept(rig);
    // Traffic in every direction that a client may send in without hearing of it.
    const noise = setInterval(() => {
      clients.peer.send(clients.relayed, 'noise');
      for (const end of clients.pair) end.send(rig.at('pair'), 'noise');
      clients.forward.send(rig.at('forward'), 'noise');
    }, 2);
    afterwards(context, () => clearInterval(noise));
    running.child.kill('SIGKILL');
    await running.ended();
    const second = await rig.up();
    second.child.kill('SIGKILL');
    await second.ended();
    const third = await rig.up();
    clearInterval(noise);
    await goOn(rig, clients, 'again');
    const refused = 'culvert_turn_responses_total{method="refresh",class="error"';
    for (const code of ['401', '437', '438']) assert.equal(await rig.metric(`${refused},code="${code}"}`), 0);
    assert.equal(await rig.metric('culvert_turn_allocations'), 1);
    assert.equal(await rig.metric('culvert_drops_total{service="forward",reason="restore-failed"}'), 0);
    assert.match(third.stderr(), /took up what an earlier run kept/);
    assert.doesNotMatch(third.stderr(), /WARN|ERROR/);
    assert.equal(statSync(join(rig.state, 'clients.journal')).mode & 0o777, 0o600);
    assert.doesNotMatch(readFileSync(join(rig.state, 'clients.journal'), 'utf8'), /wonderland/);
  });

  test('starts with a journal that is damaged, cut off, or of another version, and says so in one line', async (context) => {
    const { rig, running, clients } = await begin(context);
    await untilKept(rig);
    running.child.kill('SIGKILL');
    await running.ended();
    const file = join(rig.state, 'clients.journal');
    const good = readFileSync(file);
    const wrong = Buffer.from(good);
    wrong[60] = (wrong[60] ?? 0) ^ 1;
    for (const [content, fault] of [
      [wrong, /is damaged at line 2: what stands before it is taken up$/m],
      [good.subarray(0, good.length - 5), /ends within line \d+: what stands before it is taken up$/m],
      [Buffer.from('3f044e49 {"culvert":"clients","version":2}\n'), /is of another version of Culvert \(format 2\)/],
      [Buffer.alloc(0), /is empty/],
    ] as const) {
      writeFileSync(file, content);
      const next = await rig.up();
      assert.equal(next.stderr().match(/WARN/g)?.length, 1, next.stderr());
      assert.match(next.stderr(), fault);
      next.child.kill('SIGKILL');
      await next.ended();
    }
    writeFileSync(file, good);
    await rig.up();
    await goOn(rig, clients, 'at last');
  });

  for (const engine of ['portable', ...(missing('ffi') === false ? ['batched'] : [])]) {
    test(`leaves out what nobody of us can have written, and starts, with the engine ${engine}`, async (context) => {
      const { rig, running, clients } = await begin(context);
      await untilKept(rig);
      running.child.kill('SIGKILL');
      await running.ended();
      const file = join(rig.state, 'clients.journal');
      const { values } = readJournal(file);
      const good = [...values].flatMap(([service, kept]) =>
        [...kept].map(([key, value]) => [service, key, value] as const),
      );
      const bad = good.flatMap(([service, key, value]) =>
        poisoned(value).map((one, n) => entryLine(service, `${key} ${n}`, one).replaceAll('"1e999"', '1e999')),
      );
      assert.ok(bad.length > 1000);
      writeFileSync(file, [headerLine(), ...good.map((entry) => entryLine(...entry)), ...bad.map(summed)].join(''));
      const next = await rig.up({}, '--engine', engine);
      const answers = () =>
        clients.turn.refresh(600).then(
          () => true,
          () => false,
        );
      // A worker of the engine starts with the first flow.
      await waitFor(answers);
      await goOn(rig, clients, 'poisoned');
      assert.equal(await rig.metric('culvert_turn_allocations'), 1);
      const [, left] = /"service":"turn","entries":(?:\d+),"leftOut":(\d+)/.exec(next.stderr()) ?? [];
      assert.ok(Number(left) > 300, next.stderr());
      assert.doesNotMatch(next.stderr(), /WARN|ERROR|FATAL/);
      next.child.kill('SIGINT');
      assert.equal(await next.ended(), 0);
    });
  }

  test('drops what the configuration no longer has, and keeps the others', async (context) => {
    const { rig, running, clients } = await begin(context);
    await untilKept(rig);
    running.child.kill('SIGKILL');
    await running.ended();
    const next = await rig.up({ 'turn.users': '{"bob":"builder"}', forward: '[]' });
    assert.equal(await rig.metric('culvert_turn_allocations'), 0);
    assert.match(next.stderr(), /took up .*"service":"turn","entries":1,"leftOut":1/);
    const [a, b] = clients.pair;
    a.send(rig.at('pair'), 'still here');
    await waitFor(() => b.heardOf('still here') !== undefined);
  });

  test('a relayed port that another program has taken ends that allocation alone', async (context) => {
    const { rig, running, clients } = await begin(context);
    await untilKept(rig);
    running.child.kill('SIGKILL');
    await running.ended();
    const thief = await Wire.open(context, clients.relayed.port);
    const next = await rig.up();
    assert.equal(thief.local.port, clients.relayed.port);
    assert.equal(await rig.metric('culvert_turn_allocations'), 0);
    assert.equal(await rig.metric('culvert_drops_total{service="turn",reason="restore-failed"}'), 1);
    assert.match(next.stderr(), /took up .*"service":"turn","entries":1,"leftOut":1/);
    const [a, b] = clients.pair;
    a.send(rig.at('pair'), 'still here');
    await waitFor(() => b.heardOf('still here') !== undefined);
  });
});

describe('a relay that is stopped', () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`by ${signal} tells no client, and goes on with those that it does not drain`, async (context) => {
      const { rig, running, clients } = await begin(context);
      if (signal === 'SIGTERM') await untilKept(rig);
      const heard = clients.received.length;
      // That drains pairs and sessions of forwards; a second signal waits for nothing.
      if (signal === 'SIGTERM') setTimeout(() => running.child.kill('SIGINT'), 500);
      running.child.kill(signal);
      await running.ended();
      assert.equal(clients.received.length, heard);
      await rig.up();
      assert.ok((await clients.turn.refresh(600)) > 0);
      if (signal === 'SIGINT') await goOn(rig, clients, 'again');
    });
  }

  test('by culvert down; purged, nothing is left but the secrets', async (context) => {
    const { rig, running, clients } = await begin(context);
    const environment = { CULVERT_STATE: rig.state };
    const done = await culvert(['down'], environment);
    assert.equal(done.code, 0, done.stderr);
    assert.equal(done.stdout, `stopped (process ${running.child.pid})\n`);
    assert.equal(await running.ended(), 0);
    const next = await rig.up();
    await goOn(rig, clients, 'again');
    const purged = JSON.parse((await culvert(['down', '--purge', '--json'], environment)).stdout);
    assert.deepEqual(purged, {
      stopped: true,
      pid: next.child.pid,
      removed: [join(rig.state, 'clients.journal')],
      forwarding: false,
    });
    assert.deepEqual(readdirSync(rig.state), ['secrets.json']);
    const nothing = await culvert(['down', '--state', rig.state]);
    assert.deepEqual([nothing.code, nothing.stdout], [0, `no relay runs with ${rig.state}\n`]);
  });
});

describe('culvert up --takeover', () => {
  test('takes every client over under load; what is lost is counted', async (context) => {
    const { rig, running, clients } = await begin(context);
    const { peer, relayed, pair, forward, upstream } = clients;
    const [a, b] = pair;
    const seen = { turn: new Set<string>(), pair: new Set<string>(), forward: new Set<string>() };
    clients.onReceived = (text) => void seen.turn.add(text);
    b.onText = (text) => void seen.pair.add(text);
    upstream.onText = (text) => void seen.forward.add(text);
    let sent = 0;
    // 1,000 a second of each.
    const load = setInterval(() => {
      for (let count = 0; count < 2; count++) {
        const text = `n${sent++}`;
        peer.send(relayed, text);
        a.send(rig.at('pair'), text);
        forward.send(rig.at('forward'), text);
      }
    }, 2);
    afterwards(context, () => clearInterval(load));
    await new Promise((resolve) => setTimeout(resolve, 500));
    const next = await rig.up({}, '--takeover');
    assert.equal(await running.ended(), 0, running.stderr());
    await new Promise((resolve) => setTimeout(resolve, 500));
    clearInterval(load);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const lost = Object.fromEntries(Object.entries(seen).map(([service, got]) => [service, sent - got.size]));
    context.diagnostic(`of ${sent} datagrams each: lost ${JSON.stringify(lost)}`);
    for (const [service, count] of Object.entries(lost)) assert.ok(count < sent / 2, `${service}: ${count} of ${sent}`);
    await goOn(rig, clients, 'taken over');
    assert.match(next.stderr(), /taking over/);
    assert.match(running.stderr(), /handing over/);
  });

  test('that fails leaves the old one running, with its clients', async (context) => {
    const { rig, running, clients } = await begin(context);
    for (const fault of ['udp://192.0.2.77:1', 'nonsense']) {
      await assert.rejects(rig.up({ 'turn.listen': fault }, '--takeover'), /culvert: .*turn\.listen/);
      await waitFor(
        async () =>
          (await fetch(`http://127.0.0.1:${rig.at('admin').port}/readyz`).catch(() => undefined))?.ok === true,
      );
      assert.equal(running.child.exitCode, null);
      await goOn(rig, clients, fault);
    }
    assert.match(running.stderr(), /did not start: this one goes on/);
    assert.equal((await culvert(['down'], { CULVERT_STATE: rig.state })).code, 0);
    assert.equal(await running.ended(), 0);
  });

  test('without a relay to take over from is a start like any other', async (context) => {
    const upstream = await Wire.open(context);
    const rig = await RestartRig.make(context, upstream.local.port);
    const running = await rig.up({}, '--takeover');
    assert.match(running.stderr(), /no relay to take over from/);
    await Clients.meet(context, rig, upstream);
  });
});

describe('a state folder', () => {
  test('that another relay uses is left alone', async (context) => {
    const { rig, running, clients } = await begin(context);
    const free = 'udp://127.0.0.1:0';
    const away = { 'turn.listen': free, 'pair.listen': free, forward: '[]', 'admin.listen': 'off' };
    const inUse = new RegExp(`state folder .* is in use by another relay that runs .process ${running.child.pid}: `);
    await assert.rejects(rig.up(away), inUse);
    await untilKept(rig);
    running.child.kill('SIGKILL');
    await running.ended();
    await rig.up();
    await goOn(rig, clients, 'again');
  });

  test('that cannot be written is a warning', async (context) => {
    const upstream = await Wire.open(context);
    const rig = await RestartRig.make(context, upstream.local.port);
    // A file where the folder should be: root too cannot write there.
    writeFileSync(rig.state, '');
    chmodSync(rig.state, 0o600);
    const running = await rig.up();
    assert.match(running.stderr(), /WARN: the state folder cannot be used: clients are not kept over a restart/);
    await Clients.meet(context, rig, upstream);
    assert.equal(existsSync(join(rig.state, 'clients.journal')), false);
  });
});

/** The value with each of its parts in turn being something else; "1e999" stands for a number that JSON has and nobody can use. */
function poisoned(value: object): object[] {
  const wrong = [
    null,
    {},
    [],
    [null],
    'x',
    '::1',
    -1,
    3.5,
    70_000,
    9e15,
    '1e999',
    true,
    'a'.repeat(5000),
    { family: 6 },
  ];
  const parts = Object.entries(value) as [string, unknown][];
  return parts.flatMap(([name, part]) => {
    const deeper = typeof part === 'object' && part !== null ? poisoned(part) : [];
    return [...wrong, ...deeper].map((other) => {
      const copy: object = Array.isArray(value) ? [...value] : { ...value };
      return Object.assign(copy, { [name]: other });
    });
  });
}

/** With the sum that it should have. */
function summed(line: string): string {
  const json = line.slice(9, -1);
  return `${crc32(json).toString(16).padStart(8, '0')} ${json}\n`;
}
