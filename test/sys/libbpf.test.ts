import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SystemError } from '../../src/sys/errno.ts';
import { BpfLoadError } from '../../src/sys/libbpf/library.ts';
import { openPinned, pin, XdpLink } from '../../src/sys/libbpf/link.ts';
import { BpfMap, ONLY_NEW, ONLY_OLD } from '../../src/sys/libbpf/map.ts';
import { BpfMisuse, BpfObject } from '../../src/sys/libbpf/object.ts';
import { isKernelAtLeast, lackingCapabilities } from '../../src/sys/libbpf/probe.ts';
import { XDP_PASS } from '../../src/sys/libbpf/program.ts';
import { elfSections } from '../bpf/elf.ts';
import { enterNamespace, ip } from '../engine/xdp/namespace.ts';
import { missing } from '../requirements.ts';

const elf: Buffer = readFileSync(fileURLToPath(new URL('../../bpf/relay.bpf.o', import.meta.url)));

describe('probes', () => {
  test('kernel versions', () => {
    for (const [version, enough] of [
      ['5.17.9', false],
      ['5.18.0', true],
      ['6.1.0-18-amd64', true],
      ['4.19.0', false],
      ['10.0', true],
      ['unheard-of', true],
    ] as const) {
      assert.equal(isKernelAtLeast([5, 18], version), enough, version);
    }
  });

  test('capabilities', () => {
    const status = (bits: readonly bigint[]): string =>
      `Name:\tnode\nCapEff:\t${bits
        .reduce((mask, bit) => mask | (1n << bit), 0n)
        .toString(16)
        .padStart(16, '0')}\n`;
    assert.deepEqual(lackingCapabilities(status([])), ['CAP_BPF', 'CAP_PERFMON', 'CAP_NET_ADMIN']);
    assert.deepEqual(lackingCapabilities(status([38n, 39n])), ['CAP_NET_ADMIN']);
    assert.deepEqual(lackingCapabilities(status([12n])), ['CAP_BPF', 'CAP_PERFMON']);
    assert.deepEqual(lackingCapabilities(status([12n, 21n])), []);
    assert.deepEqual(lackingCapabilities(status([12n, 38n, 39n])), []);
  });
});

describe('libbpf', { skip: missing('bpf') }, () => {
  let bpffs: string;
  const opened: BpfObject[] = [];

  const open = (bytes: Buffer = elf): BpfObject => {
    const object = BpfObject.open(bytes);
    opened.push(object);
    return object;
  };
  const load = (): { object: BpfObject; program: ReturnType<BpfObject['load']> } => {
    const object = open();
    object.resize('flows4', 64);
    return { object, program: object.load('relay') };
  };

  before(() => {
    enterNamespace();
    bpffs = mkdtempSync(join(tmpdir(), 'culvert-bpffs-'));
    execFileSync('mount', ['-t', 'bpf', 'bpf', bpffs]);
  });

  after(() => {
    for (const object of opened) object.close();
    execFileSync('umount', [bpffs]);
    rmdirSync(bpffs);
  });

  test('bytes that are no object', () => {
    assert.throws(() => BpfObject.open(Buffer.from('not an ELF file')), BpfLoadError);
    assert.throws(() => BpfObject.open(Buffer.alloc(0)), BpfLoadError);
  });

  test('a program that the verifier refuses is an error with what it said', () => {
    const bytes = Buffer.from(elf);
    const program = elfSections(bytes).get('xdp') ?? Buffer.alloc(0);
    // "exit" as the first instruction, when nothing is in r0 yet. The section is a view of `bytes`.
    program.set([0x95, 0, 0, 0, 0, 0, 0, 0]);
    assert.throws(
      () => open(bytes).load('relay'),
      (error: unknown) => error instanceof BpfLoadError && error.log !== '' && /EACCES|EINVAL/.test(error.code),
    );
  });

  test('names that are not there are misuse', () => {
    assert.throws(() => open().load('another'), BpfMisuse);
    assert.throws(() => open().resize('another', 1), BpfMisuse);
  });

  test('a map: look up, update, delete, batches', () => {
    const map = load().object.map('flows4');
    assert.deepEqual([map.keyBytes, map.valueBytes, map.lookupBytes, map.maxEntries], [16, 120, 120, 64]);
    const key = (index: number): Buffer => Buffer.alloc(16, index);
    const value = (index: number): Buffer => Buffer.alloc(120, index);
    const found = Buffer.alloc(120);

    assert.equal(map.lookup(key(1), found), false);
    assert.equal(map.update(key(1), value(1), ONLY_OLD)?.code, 'ENOENT');
    assert.equal(map.update(key(1), value(1)), undefined);
    assert.equal(map.update(key(1), value(2), ONLY_NEW)?.code, 'EEXIST');
    assert.ok(map.lookup(key(1), found) && found.equals(value(1)));
    assert.equal(map.delete(key(1)), true);
    assert.equal(map.delete(key(1)), false);
    assert.deepEqual([...map.batches()], []);

    const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index);
    const many = range(0, 50);
    const answer = map.updateBatch(Buffer.concat(many.map(key)), Buffer.concat(many.map(value)), many.length);
    assert.deepEqual(answer, { done: 50, error: undefined });
    for (const size of [1, 7, 64, 1000]) {
      const seen: number[] = [];
      for (const { keys, values, count } of map.batches(size)) {
        for (const index of range(0, count)) {
          assert.equal(values[index * 120], keys[index * 16]);
          seen.push(keys[index * 16] ?? -1);
        }
      }
      assert.deepEqual(
        seen.sort((a, b) => a - b),
        many,
        `in batches of ${size}`,
      );
    }
    const toomany = range(100, 140);
    const full = map.updateBatch(Buffer.concat(toomany.map(key)), Buffer.concat(toomany.map(value)), toomany.length);
    assert.equal(full.error?.code, 'E2BIG');
    assert.equal(full.done, 14);
    assert.deepEqual(map.deleteBatch(Buffer.concat(many.map(key)), many.length), { done: 50, error: undefined });
    assert.equal(
      [...map.batches()].reduce((sum, { count }) => sum + count, 0),
      14,
    );
  });

  test('a map for each processor has a value for each', () => {
    const map = load().object.map('counters');
    const found = Buffer.alloc(map.lookupBytes);
    assert.ok(map.lookupBytes > map.valueBytes && map.lookupBytes % map.valueBytes === 0);
    assert.ok(map.lookup(Buffer.alloc(4), found));
    assert.equal(
      [...map.batches()].reduce((sum, { count }) => sum + count, 0),
      map.maxEntries,
    );
  });

  test('a test run: verdict, packet, time', () => {
    const { program } = load();
    const frame = Buffer.alloc(60);
    const run = program.testRun(frame, { repeat: 1000 });
    assert.equal(run.result, XDP_PASS);
    assert.deepEqual(Buffer.from(run.packet), frame);
    assert.ok(run.nanoseconds < 1e6);
    assert.throws(() => program.testRun(Buffer.alloc(10)), SystemError);
  });

  test('a link: attach, replace the program, pin, find again, let go', () => {
    ip('link', 'add', 'links0', 'type', 'veth', 'peer', 'name', 'links1');
    const [shown] = JSON.parse(ip('-json', 'link', 'show', 'links0')) as { ifindex: number }[];
    const ifindex = shown?.ifindex ?? 0;
    const attached = (): string | undefined =>
      (
        JSON.parse(ip('-json', 'link', 'show', 'links0')) as { xdp?: { mode: number; prog: { id: number } } }[]
      )[0]?.xdp?.prog.id.toString();
    const { program } = load();
    for (const mode of ['native', 'generic'] as const) {
      const link = XdpLink.attach(program, ifindex, mode);
      const first = attached();
      assert.ok(first);
      assert.throws(() => XdpLink.attach(program, ifindex, mode), { code: 'EBUSY' });
      link.update(load().program);
      assert.notEqual(attached(), first);
      const path = join(bpffs, `link-${mode}`);
      pin(link.fd, path);
      link.close();
      assert.ok(attached(), 'a pinned link outlives its descriptor');
      const again = XdpLink.pinned(path);
      again.update(program);
      assert.equal(attached(), first);
      rmSync(path);
      again.close();
      assert.equal(attached(), undefined);
    }
    assert.throws(() => XdpLink.attach(program, 99_999, 'native'), SystemError);
    assert.throws(() => XdpLink.pinned(join(bpffs, 'nothing')), { code: 'ENOENT' });
  });

  test('a pinned map is adopted by another object, with what is in it', () => {
    const path = join(bpffs, 'flows4');
    const first = load().object.map('flows4');
    first.update(Buffer.alloc(16, 5), Buffer.alloc(120, 6));
    pin(first.fd, path);
    const fd = openPinned(path);
    const second = open();
    assert.equal(BpfMap.of(fd).maxEntries, 64);
    second.adopt('flows4', fd);
    closeSync(fd);
    second.load('relay');
    const found = Buffer.alloc(120);
    assert.ok(second.map('flows4').lookup(Buffer.alloc(16, 5), found));
    assert.equal(found[0], 6);
    rmSync(path);
    assert.throws(() => openPinned(path), { code: 'ENOENT' });
  });
});
