// What goes on without the process, what the next one takes over, and what is left behind.
import assert from 'node:assert/strict';
import { closeSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';
import { createPortableEngine } from '../../../src/engine/portable/portable.ts';
import { LAYOUT, readSettings, SETTINGS_OFFSETS, uint32Key } from '../../../src/engine/xdp/layout.ts';
import { monotonic } from '../../../src/engine/xdp/monotonic.ts';
import type { XdpEngine } from '../../../src/engine/xdp/xdp.ts';
import type { Flow } from '../../../src/flow/flow.ts';
import type { BucketId } from '../../../src/net/ids.ts';
import { interfaceIndex } from '../../../src/sys/interfaces.ts';
import { openPinned, XdpLink } from '../../../src/sys/libbpf/link.ts';
import { BpfMap } from '../../../src/sys/libbpf/map.ts';
import { missing } from '../../requirements.ts';
import type { Peer } from '../conformance/peer.ts';
import { EngineRig, pinned } from './engine-rig.ts';
import { ip } from './namespace.ts';
import { KernelRig } from './rig.ts';

const INSTANCE = '/sys/fs/bpf/culvert/one';
const OTHER_LAYOUT = '0123456789abcdef';
const LO_FORWARDS = '/proc/sys/net/ipv4/conf/lo/forwarding';

describe('without the process', { skip: missing('bpf', 'ffi') }, () => {
  let rig: EngineRig;
  type Joined = Awaited<ReturnType<EngineRig['joined']>>;

  before(() => {
    rig = new EngineRig();
  });
  afterEach(async () => {
    await rig.reset();
    assert.deepEqual(pinned(), []);
  });
  after(() => rig.close());

  /** A process with a flow, that ended without a word. */
  async function left(options: Parameters<EngineRig['started']>[0] = {}): Promise<Joined> {
    const first = rig.started({ instance: 'one', ...options });
    const joined = await rig.joined(first);
    await rig.leave(first);
    return joined;
  }

  async function passes({ client, target, at, via }: Joined, text: string, count = 1): Promise<void> {
    for (let packet = 0; packet < count; packet++) {
      await client.send(at.local, `${text} ${packet}`);
      await target.expect(`${text} ${packet}`, via.local);
    }
  }

  /** Asks for the same flow again, as a service does that was restored. */
  async function askAgain(
    engine: XdpEngine,
    { client, target, at, via }: Pick<Joined, 'client' | 'target' | 'at' | 'via'>,
    more: Partial<Flow> = {},
  ): Promise<Flow> {
    const again = [await rig.listen(engine, at.local), await rig.listen(engine, via.local)] as const;
    const same: Flow = { ...rig.flow(again[0], client.local, again[1], target.local), ...more };
    engine.addFlow(same);
    return same;
  }

  async function isSilent({ client, target, at }: { client: Peer; target: Peer; at: Joined['at'] }): Promise<void> {
    await client.send(at.local, 'nobody takes it');
    await new Promise((resolve) => setTimeout(resolve, 50));
    target.expectSilence();
  }

  test('what is pinned goes on, and is taken over with what it has counted', async () => {
    const joined = await left();
    await passes(joined, 'alone', 20);
    const second = rig.started({ instance: 'one' });
    assert.equal(second.adopted, true);
    await passes(joined, 'adopted');
    const same = await askAgain(second, joined);
    assert.equal(await second.settle(), 0);
    await passes(joined, 'again');
    assert.equal(second.flowCounters(same.id)?.packets, 23);
    assert.equal(rig.inner?.flowCounters(same.id)?.packets, 0);
  });

  test('a listener that is opened again does not blind the kernel to flows that are not asked for yet', async () => {
    const joined = await left();
    const second = rig.started({ instance: 'one' });
    const at = await rig.listen(second, joined.at.local);
    await passes(joined, 'meanwhile', 5);
    assert.equal(await second.settle(), 1);
    await isSilent({ ...joined, at });
  });

  test('it is settled when every port is answered for, and what its service asked for then', async () => {
    const joined = await left();
    let same: Flow | undefined;
    const second: XdpEngine = rig.started({
      instance: 'one',
      sink: { ...rig.sink, portOpened: () => second.addFlow(same as Flow) },
    });
    const at = await rig.listen(second, joined.at.local);
    const via = { id: rig.ids.socket(), local: joined.via.local };
    same = rig.flow(at, joined.client.local, via, joined.target.local);
    second.openPort(via.id, via.local);
    assert.equal(await second.settle(), 0);
    await passes(joined, 'still');
  });

  test('what nobody asks for again goes', async () => {
    const joined = await left();
    const second = rig.started({ instance: 'one' });
    assert.equal(await second.settle(), 1);
    await isSilent(joined);
  });

  test('a limit of the process before is no limit of this one', async () => {
    const first = rig.started({ instance: 'one' });
    const joined = await rig.joined(first);
    const limit = { bucket: 1 as BucketId, bytesPerSecond: 1_000_000, burst: 1_000_000 };
    first.addFlow({ ...rig.flow(joined.at, joined.client.local, joined.via, joined.target.local), limit });
    await rig.leave(first);
    const second = rig.started({ instance: 'one' });
    // Another flow, and a bucket that happens to have the same number.
    const [at, via] = [await rig.listen(second, rig.here(4)), await rig.listen(second, rig.here(4))];
    const strict = { bucket: 1 as BucketId, bytesPerSecond: 1, burst: 1 };
    second.addFlow({ ...rig.flow(at, joined.client.local, via, joined.target.local), limit: strict });
    await passes(joined, 'as before', 5);
    await askAgain(second, joined, { limit: { ...limit, bucket: 2 as BucketId } });
    assert.equal(await second.settle(), 0);
    await passes(joined, 'again', 5);
  });

  test('another layout of maps is replaced without a packet lost, when the new ones are filled', async () => {
    const joined = await left();
    renameSync(`${INSTANCE}/${LAYOUT}`, `${INSTANCE}/${OTHER_LAYOUT}`);
    const second = rig.started({ instance: 'one' });
    assert.equal(second.adopted, false);
    await passes(joined, 'by the old maps', 5);
    const same = await askAgain(second, joined);
    assert.equal(second.flowCounters(same.id)?.packets, 0);
    assert.equal(await second.settle(), 0);
    await passes(joined, 'by the new ones', 5);
    assert.equal(second.flowCounters(same.id)?.packets, 5);
    assert.match(rig.logged.join('\n'), new RegExp(`layout ${OTHER_LAYOUT}, that another version left are replaced`));
    assert.deepEqual(readdirSync(INSTANCE), [LAYOUT]);
  });

  test('maps that are of no use are replaced the same way, and that is said', async () => {
    const joined = await left();
    renameSync(`${INSTANCE}/${LAYOUT}/ports`, `${INSTANCE}/${LAYOUT}/flows4`);
    const second = rig.started({ instance: 'one' });
    assert.equal(second.adopted, false);
    assert.match(
      rig.logged.join('\n'),
      /the maps that an earlier process left are of no use, new ones take their place/,
    );
    await passes(joined, 'by the old maps', 5);
    await askAgain(second, joined);
    await second.settle();
    await passes(joined, 'by the new ones', 5);
  });

  test('maps of a start that was broken off hold nothing', async () => {
    await left();
    for (const name of readdirSync(`${INSTANCE}/${LAYOUT}`)) {
      if (name.startsWith('link-')) rmSync(`${INSTANCE}/${LAYOUT}/${name}`);
    }
    assert.equal(rig.started({ instance: 'one' }).adopted, false);
  });

  test('a process that ends before it has settled leaves everything to the next', async () => {
    const joined = await left();
    const before = pinned();
    await rig.started({ instance: 'one', interfaces: ['relay0', 'lo'] }).close();
    rig.engines = [];
    assert.deepEqual(pinned(), before);
    await passes(joined, 'still', 5);
    const third = rig.started({ instance: 'one' });
    assert.equal(third.adopted, true);
    await askAgain(third, joined);
    assert.equal(await third.settle(), 0);
    await passes(joined, 'and still', 5);
  });

  test('a process that has not settled answers for nothing: what is found goes on no longer than it would have', async () => {
    const joined = await left();
    const settings = settingsLeft();
    const until = settings.until();
    await rig.started({ instance: 'one' }).close();
    rig.engines = [];
    assert.equal(settings.until(), until);

    const second = rig.started({ instance: 'one' });
    const at = await rig.listen(second, joined.at.local);
    await passes(joined, 'still');
    // Longer than an engine at work waits before it answers again.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert.equal(settings.until(), until);
    settings.set(1);
    await isSilent({ ...joined, at });
    second.closePort(at.id);
    await askAgain(second, joined);
    assert.equal(await second.settle(), 0);
    assert.ok(settings.until() > until);
    await passes(joined, 'again', 5);
    settings.close();
  });

  test('flows that nobody has answered for in ten minutes are over, and are not revived before they are asked for', async () => {
    const joined = await left();
    const settings = settingsLeft();
    const remaining = settings.until() - monotonic();
    assert.ok(Math.abs(remaining - 600_000) < 10_000, `${remaining} ms`);
    settings.set(1);
    await isSilent(joined);
    const second = rig.started({ instance: 'one' });
    await isSilent(joined);
    await askAgain(second, joined);
    await second.settle();
    await passes(joined, 'again', 3);
    settings.close();
  });

  test('answers of a wildcard listener go on to come from the address that was asked', async () => {
    const asked = '192.0.2.77';
    ip('address', 'add', `${asked}/24`, 'dev', 'relay0');
    try {
      const first = rig.started({
        instance: 'one',
        createInner: (sink) => Object.assign(createPortableEngine({ sink, ids: rig.ids }), { sourceOf: () => asked }),
      });
      const [client, target] = [await rig.peer(4), await rig.peer(4)];
      const at = await rig.listen(first, rig.here(4));
      const any = await rig.listen(first, { family: 4, address: '0.0.0.0', port: 0 });
      first.addFlow(rig.flow(at, client.local, any, target.local));
      await client.send(at.local, 'before');
      await target.next();
      await rig.leave(first);
      // Which knows no more than its own routes.
      const second = rig.started({ instance: 'one' });
      await askAgain(second, { client, target, at, via: any });
      await second.settle();
      await client.send(at.local, 'after');
      assert.equal((await target.next()).address, asked);
    } finally {
      ip('address', 'delete', `${asked}/24`, 'dev', 'relay0');
    }
  });

  test('a mode that is not the best any more is changed when userspace is there to help', async () => {
    const joined = await left({ mode: 'generic' });
    const second = rig.started({ instance: 'one' });
    assert.equal(second.mode, 'generic');
    await passes(joined, 'as it was', 5);
    await askAgain(second, joined);
    await second.settle();
    assert.equal(second.mode, 'native');
    await passes(joined, 'natively', 5);
  });

  test('an interface that is wanted no more forwards until it is known which flows go on', async () => {
    const joined = await left({ interfaces: ['relay0', 'lo'], mode: 'generic' });
    const second = rig.started({ instance: 'one', interfaces: ['lo'], mode: 'generic' });
    await passes(joined, 'still', 5);
    assert.equal(await second.settle(), 1);
    await isSilent(joined);
  });

  test('an interface that is wanted no more, and one that is gone', async () => {
    rig.network.other.connect('relay1', 'peers1');
    const joined = await left({ interfaces: ['relay0', 'relay1', 'lo'], mode: 'generic' });
    rig.network.disconnect('relay1');
    const second = rig.started({ instance: 'one', mode: 'generic' });
    await askAgain(second, joined);
    await second.settle();
    await passes(joined, 'on', 5);
    assert.deepEqual(
      readdirSync(`${INSTANCE}/${LAYOUT}`).filter((name) => name.startsWith('link-')),
      ['link-generic-relay0'],
    );
    const other = new KernelRig();
    XdpLink.attach(other.program, interfaceIndex('lo'), 'generic').close();
    other.close();
  });

  test('a start that fails leaves nothing behind, and settings as they were', () => {
    const other = new KernelRig();
    const link = XdpLink.attach(other.program, interfaceIndex('relay0'), 'generic');
    writeFileSync(LO_FORWARDS, '0');
    const record: string[] = [];
    const result = rig.create({
      instance: 'one',
      record: { switchedOn: (path) => record.push(path), putBack: () => record.push('put back') },
    });
    link.close();
    other.close();
    assert.equal(!result.ok && result.obstacle.reason, 'attach');
    assert.deepEqual(record, [LO_FORWARDS, 'put back']);
    assert.ok(!existsSync('/sys/fs/bpf/culvert'));
  });

  test('who left for good without a flow, or closed, leaves nothing behind, and settings as they were', async () => {
    for (const end of ['leave', 'close'] as const) {
      writeFileSync(LO_FORWARDS, '0');
      const record: string[] = [];
      const engine = rig.started({
        instance: 'one',
        record: { switchedOn: (path) => record.push(path), putBack: () => record.push('put back') },
      });
      if (end === 'close') await rig.joined(engine);
      assert.notDeepEqual(pinned(), []);
      assert.equal(readFileSync(LO_FORWARDS, 'utf8').trim(), '1');
      rig.engines = [];
      await engine[end]();
      assert.deepEqual(pinned(), []);
      assert.equal(record[0], LO_FORWARDS);
      assert.equal(record.at(-1), 'put back');
    }
    assert.ok(!existsSync('/sys/fs/bpf/culvert'));
  });
});

/** What the program that was left goes by. */
function settingsLeft() {
  const fd = openPinned(`${INSTANCE}/${LAYOUT}/settings_map`);
  const map = BpfMap.of(fd);
  const value = Buffer.alloc(map.valueBytes);
  const read = () => {
    map.lookup(uint32Key(0), value);
    return value;
  };
  return {
    until: () => readSettings(read()).forwardUntil,
    set: (until: number) => {
      read().writeBigUInt64LE(BigInt(until) * 1_000_000n, SETTINGS_OFFSETS.forward_until);
      map.update(uint32Key(0), value);
    },
    close: () => closeSync(fd),
  };
}
