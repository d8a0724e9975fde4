import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { Family } from '../../src/net/address.ts';
import type { Summary } from '../../src/runtime/banner.ts';
import { afterwards } from '../afterwards.ts';
import { culvert, culvertUp, type Running, waitFor } from '../cli/culvert.ts';
import { temporaryFolder } from '../control/config/rig.ts';
import { PATIENCE_MILLIS } from '../patience.ts';
import { missing } from '../requirements.ts';
import { newGuid, PairClient, pairHandshake } from './pair-client.ts';
import { type EngineName, networkFor, onEachEngine, removePins } from './rig/engines.ts';

const KEY = randomBytes(32);

onEachEngine('pairs', { together: true }, (engine) => {
  const { address, paired, trio, start } = clientsOn(engine);

  describe('an independent client of v0.8.2', () => {
    test('pairs: no answer to the first handshake, the second goes to the first', async (context) => {
      const { a, b } = await trio(context);
      const guid = newGuid();
      await a.send(pairHandshake(guid, KEY));
      assert.ok(await a.hearsNothing());
      const second = pairHandshake(guid, KEY, Buffer.from('of the second'));
      await b.send(second);
      assert.deepEqual(await a.next(), second);
      assert.ok(await b.hearsNothing());
    });

    test('data of every size goes through unchanged, both ways', async (context) => {
      const { a, b, guid } = await paired(context);
      for (const size of [0, 1, 3, 4, 55, 56, 1200, 1472, 1473, 9000, 65_507]) {
        const [there, back] = [randomBytes(size), randomBytes(size)];
        await a.send(there);
        assert.deepEqual(await b.next(), there, `${size} bytes`);
        await b.send(back);
        assert.deepEqual(await a.next(), back, `${size} bytes`);
      }
      for (const odd of [
        Buffer.from('04b28000', 'hex'),
        Buffer.from('2112a442', 'hex'),
        pairHandshake(guid, KEY).subarray(0, 55),
      ]) {
        await a.send(odd);
        assert.deepEqual(await b.next(), odd);
      }
    });

    test('a third party is ignored: it reaches nobody, nobody reaches it, and the pair goes on', async (context) => {
      const { a, b, c, guid, metrics } = await paired(context);
      await c.send(pairHandshake(guid, KEY));
      await c.send(Buffer.from('let me in'));
      await a.send(Buffer.from('for b'));
      assert.equal(String(await b.next()), 'for b');
      for (const client of [a, b, c]) assert.ok(await client.hearsNothing());
      for (const line of [
        'culvert_drops_total{service="pair",reason="third-party"} 1',
        'culvert_drops_total{service="pair",reason="not-a-handshake"} 1',
        'culvert_pair_channels{state="open"} 1',
        'culvert_clients{service="pair"} 2',
        `culvert_packets_total{service="pair",direction="to_peer",datapath="${engine}"} 1`,
        `culvert_flows{service="pair",datapath="${engine}"} 2`,
      ]) {
        const shows = async () => (await metrics()).split('\n').includes(line);
        await waitFor(shows, PATIENCE_MILLIS, () => line);
      }
    });

    test('a wrong MAC and a zero GUID make no pair, and are counted', async (context) => {
      const { a, b, metrics } = await trio(context);
      const guid = newGuid();
      const zero = Buffer.alloc(16);
      for (const client of [a, b]) {
        await client.send(pairHandshake(guid, randomBytes(32)));
        await client.send(pairHandshake(zero, KEY));
      }
      for (const client of [a, b]) assert.ok(await client.hearsNothing());
      const text = await metrics();
      assert.match(text, /^culvert_drops_total\{service="pair",reason="wrong-mac"\} 2$/m);
      assert.match(text, /^culvert_drops_total\{service="pair",reason="zero-guid"\} 2$/m);
      assert.match(text, /^culvert_clients\{service="pair"\} 0$/m);
    });

    test('an idle pair is closed, a busy one is not', async (context) => {
      const { a, b, metrics } = await paired(context, ['pair.idle=2s', 'pair.sweep=100ms']);
      for (let turn = 0; turn < 8; turn++) {
        await a.send(Buffer.from('busy'));
        assert.equal(String(await b.next()), 'busy');
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
      const before = Date.now();
      await waitFor(async () => (await metrics()).includes('culvert_pair_channels{state="open"} 0'));
      const took = Date.now() - before;
      assert.ok(took > 1_000 && took < 5_000, `${took} ms`);
      await a.send(Buffer.from('too late'));
      assert.ok(await b.hearsNothing());
    });

    test('a client whose NAT gave it another port gets its seat back', async (context) => {
      const { a, b, guid, open } = await paired(context, ['pair.rebind.after=1s']);
      a.close();
      const moved = await open();
      await waitFor(async () => {
        await moved.send(pairHandshake(guid, KEY));
        await b.send(Buffer.from('are you there?'));
        return (await moved.next(300)) !== undefined;
      });
      b.received.length = 0;
      await moved.send(Buffer.from('here I am'));
      await waitFor(() => b.received.some((datagram) => datagram.equals(Buffer.from('here I am'))));
    });

    test('over IPv6, and from IPv6 to IPv4', { skip: missing('ipv6') }, async (context) => {
      const { a, open } = await trio(context, [`pair.listen=${address(4)},${address(6)}`]);
      const six = await open(6);
      const guid = newGuid();
      await six.send(pairHandshake(guid, KEY));
      await waitFor(async () => {
        await a.send(pairHandshake(guid, KEY));
        return (await six.next(200)) !== undefined;
      });
      const large = randomBytes(60_000);
      await six.send(large);
      await waitFor(() => a.received.some((datagram) => datagram.equals(large)));
    });

    test('a legacy client, where that is allowed', async (context) => {
      const { a, b } = await trio(context, ['pair.legacy=v0.3.6']);
      const old = Buffer.concat([Buffer.from('00010010', 'hex'), newGuid()]);
      await a.send(old);
      await b.send(old);
      assert.deepEqual(await a.next(), old);
    });
  });

  describe('a nonce against replays', () => {
    test('a client that answers the challenge is paired; its recorded handshake is worth nothing elsewhere', async (context) => {
      const { a, b, c } = await trio(context, ['pair.antiReplay=require']);
      const guid = newGuid();
      const ask = async (client: PairClient): Promise<Buffer> => {
        const hello = pairHandshake(guid, KEY, Buffer.alloc(24), 0x0001);
        await client.send(hello);
        const answer = await client.next();
        assert.ok(answer && answer.length === hello.length);
        assert.equal(answer.readUInt16BE(6), 0x0003);
        const nonce = answer.subarray(56, 80);
        assert.deepEqual(answer, pairHandshake(guid, KEY, nonce, 0x0003), 'with a good MAC');
        return pairHandshake(guid, KEY, nonce, 0x0001);
      };
      const ofA = await ask(a);
      await a.send(ofA);
      await c.send(ofA);
      const challenge = await c.next();
      assert.equal(challenge?.readUInt16BE(6), 0x0003, 'the replayer is challenged, not seated');
      const ofB = await ask(b);
      await b.send(ofB);
      assert.deepEqual(await a.next(), ofB);
      await b.send(pairHandshake(guid, KEY));
      assert.deepEqual(await a.next(), pairHandshake(guid, KEY), 'within the pair anything passes');
      assert.ok(await c.hearsNothing());
    });
  });

  describe('the documented example', () => {
    const page = readFileSync(new URL('../../docs/pair-anti-replay.md', import.meta.url), 'utf8');
    const [example = ''] = /(?<=## An example[\s\S]*```\n)[\s\S]*?(?=```)/.exec(page) ?? [];
    const [ask, answer, begin] = example
      .split('\n\n')
      .map((block) => Buffer.from(block.replaceAll(/client|relay|[^0-9a-f]/g, ''), 'hex'));
    const guid = Buffer.from('0123456789abcdeffedcba9876543210', 'hex');
    const secret = Buffer.from(Array.from({ length: 32 }, (_, i) => i));

    test('is what a client that knows only the page would send and expect', () => {
      const nonce = answer?.subarray(56, 80) ?? Buffer.alloc(0);
      assert.deepEqual(ask, pairHandshake(guid, secret, Buffer.alloc(24), 0x0001));
      assert.deepEqual(answer, pairHandshake(guid, secret, nonce, 0x0003));
      assert.deepEqual(begin, pairHandshake(guid, secret, nonce, 0x0001));
    });

    test('its question gets an answer of that form, its old nonce a new one', async (context) => {
      const { a } = await trio(context, ['pair.antiReplay=require', `pair.secret=${secret.toString('base64')}`]);
      for (const datagram of [ask, begin]) {
        assert.ok(datagram && answer);
        await a.send(datagram);
        const got = await a.next();
        assert.deepEqual(got?.subarray(0, 24), answer.subarray(0, 24));
        assert.equal(got?.length, answer.length);
      }
    });
  });

  test("the sizes of the listeners' buffers reach the kernel, which doubles them", {
    skip: missing('netns'),
  }, async (context) => {
    const { port } = await trio(context, ['pair.buffers.receive=32k', 'pair.buffers.send=24k']);
    const said = execFileSync('ss', ['-Huanm', 'sport', '=', `:${port}`], { encoding: 'utf8' });
    assert.match(said, /skmem:\(r\d+,rb64000,t\d+,tb48000,/);
  });

  test('repeats keep a half open for longer than it would live, and its partner then finds it', async (context) => {
    const { a, b } = await trio(context, ['pair.idle=2s', 'pair.sweep=100ms']);
    const guid = newGuid();
    for (let turn = 0; turn < 7; turn++) {
      await a.send(pairHandshake(guid, KEY));
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    await b.send(pairHandshake(guid, KEY));
    assert.deepEqual(await a.next(), pairHandshake(guid, KEY));
  });

  test('more than the quota of a pair is dropped, each way by itself', async (context) => {
    const { a, b, metrics } = await paired(context, ['pair.quota.bytesPerSecond=1k']);
    const large = randomBytes(40_000);
    for (const [from, to] of [[a, b] as const, [b, a] as const]) {
      await from.send(large);
      assert.deepEqual(await to.next(), large, '64 KiB may come at once');
      await from.send(large);
      assert.ok(await to.hearsNothing());
    }
    assert.match(await metrics(), /^culvert_drops_total\{service="pair",reason="rate-limited"\} 2$/m);
  });

  describe('the end', () => {
    test('SIGTERM drains: the pair goes on, no new one is made, and the process ends with 0 after the last', async (context) => {
      const { a, b, c, open, running, admin } = await paired(context, ['pair.idle=2s', 'pair.sweep=100ms']);
      running.child.kill('SIGTERM');
      await waitFor(() => running.stderr().includes('draining'));
      assert.equal((await fetch(`${admin}/readyz`)).status, 503);
      const other = newGuid();
      const d = await open();
      await c.send(pairHandshake(other, KEY));
      await d.send(pairHandshake(other, KEY));
      assert.ok(await c.hearsNothing());
      for (let turn = 0; turn < 5; turn++) {
        await a.send(Buffer.from('still here'));
        assert.equal(String(await b.next()), 'still here');
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
      assert.equal(running.child.exitCode, null);
      assert.equal(await running.ended(), 0);
      assert.match(running.stderr(), /stopped/);
    });

    test('a second signal ends it at once', async (context) => {
      const { running } = await paired(context);
      running.child.kill('SIGTERM');
      await waitFor(() => running.stderr().includes('draining'));
      // One signal that comes twice within 50 ms is one.
      await new Promise((resolve) => setTimeout(resolve, 200));
      running.child.kill('SIGTERM');
      assert.equal(await running.ended(), 143);
    });

    test('SIGINT does not wait, SIGTERM without pairs neither', async (context) => {
      const { running } = await paired(context);
      running.child.kill('SIGINT');
      assert.equal(await running.ended(), 0);
      const quiet = await trio(context);
      await quiet.a.send(pairHandshake(newGuid(), KEY));
      quiet.running.child.kill('SIGTERM');
      assert.equal(await quiet.running.ended(), 0);
    });
  });

  describe('one port for TURN and pairs', () => {
    test('both work on it, and what looks like the other in the data of a pair stays in the pair', async (context) => {
      const { running, summary } = await start(context, []);
      const port = summary.listeners[0]?.local.port ?? 0;
      running.child.kill('SIGINT');
      await running.ended();
      const host = networkFor(engine).engine(4);
      const sets = [`turn.listen=udp://${host}:${port}`, `pair.listen=udp://${host}:${port}`, 'pair.rebind.after=1s'];
      const { a, b, environment } = await trio(context, [...sets, `turn.peers.allow=${host}`]);
      const guid = newGuid();
      await a.send(pairHandshake(guid, KEY));
      await b.send(pairHandshake(guid, KEY));
      assert.ok(await a.next());
      const probed = await culvert(['probe', `turn:${host}:${port}`], environment);
      assert.equal(probed.code, 0, probed.stdout + probed.stderr);
      // Long enough for the flows to idle out: these come up as misses, and would be a Binding and WireGuard by their first bytes.
      const binding = Buffer.from(`000100002112a442${'00'.repeat(12)}`, 'hex');
      const wireguard = Buffer.concat([Buffer.from('04000000', 'hex'), randomBytes(28)]);
      for (const lookalike of [binding, wireguard]) {
        await new Promise((resolve) => setTimeout(resolve, 2_200));
        await a.send(lookalike);
        assert.deepEqual(await b.next(), lookalike);
        assert.ok(await a.hearsNothing(), 'no Binding response');
      }
    });
  });
});

/** Relays of one engine with three clients each, which go with their test. */
function clientsOn(engine: EngineName) {
  let last: Running | undefined;

  const address = (family: Family) => {
    const host = networkFor(engine).engine(family);
    return `udp://${family === 6 ? `[${host}]` : host}:0`;
  };

  async function paired(context: TestContext, sets: readonly string[] = []) {
    const rig = await trio(context, sets);
    const guid = newGuid();
    await rig.a.send(pairHandshake(guid, KEY));
    // Datagrams of two sockets may overtake one another.
    await rig.b.hearsNothing(50);
    await rig.b.send(pairHandshake(guid, KEY));
    assert.ok(await rig.a.next());
    return { ...rig, guid };
  }

  async function trio(context: TestContext, sets: readonly string[] = []) {
    const started = await start(context, sets);
    const ports = started.summary.listeners.filter(({ service }) => service === 'pair').map(({ local }) => local.port);
    const [port = 0] = ports;
    const admin = `http://127.0.0.1:${started.summary.admin?.port}`;
    const open = (family: Family = 4) =>
      PairClient.open(context, networkFor(engine), ports[family === 6 ? 1 : 0] ?? 0, family);
    const [a, b, c] = await Promise.all([open(), open(), open()]);
    const metrics = async () => (await fetch(`${admin}/metrics`)).text();
    return { ...started, a, b, c, open, port, admin, metrics };
  }

  async function start(context: TestContext, sets: readonly string[]) {
    const environment = {
      CULVERT_STATE: join(temporaryFolder(context), 'state'),
      UDP_RELAY_SECRET_KEY: KEY.toString('base64'),
    };
    const all = [`engine=${engine}`, `turn.listen=${address(4)}`, `pair.listen=${address(4)}`];
    const args = [...all, 'admin.listen=http://127.0.0.1:0', ...sets].flatMap((set) => ['--set', set]);
    // Two relays of one test may be beside each other, but not on the interface of one network.
    if (engine === 'xdp' && last?.child.kill('SIGKILL')) await last.ended();
    removePins(engine);
    afterwards(context, () => removePins(engine));
    const running = await culvertUp(context, ['--json', ...args], environment);
    last = running;
    return { running, environment, summary: JSON.parse(running.stdout()) as Summary };
  }

  return { address, paired, trio, start };
}
