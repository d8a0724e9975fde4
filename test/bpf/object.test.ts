// The object that is committed: what its source compiles to, and what the engine believes it to be.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  BUCKET_BYTES,
  BUCKET_OFFSETS,
  COUNTER_BYTES,
  EXITS,
  FLOW_BYTES,
  FLOW_OFFSETS,
  KEY_BYTES,
  LAYOUT,
  NEIGHBOUR_OFFSETS,
  PORT_BITS,
  SERVICES,
  SETTINGS_BYTES,
  SETTINGS_OFFSETS,
} from '../../src/engine/xdp/layout.ts';
import { REASONS } from '../../src/engine/xdp/reasons.ts';
import { missing } from '../requirements.ts';
import { type BtfStruct, readBtf } from './btf.ts';
import { elfSections } from './elf.ts';

const root: string = fileURLToPath(new URL('../..', import.meta.url));
const committed: ReadonlyMap<string, Buffer> = elfSections(readFileSync(join(root, 'bpf/relay.bpf.o')));
const btf = readBtf(section('.BTF'));

describe('the committed object', () => {
  test('is what the source compiles to', { skip: missing('clang') }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'culvert-bpf-'));
    try {
      const path = join(folder, 'relay.bpf.o');
      execFileSync(process.execPath, [join(root, 'scripts/bpf.mjs'), path], {
        env: { ...process.env, CLANG: 'clang-14' },
      });
      const compiled = elfSections(readFileSync(path));
      // Instructions, the maps that they name, licence, and all types: everything that the kernel is given.
      for (const name of ['xdp', '.relxdp', '.maps', 'license', '.BTF']) {
        assert.ok(
          compiled.get(name)?.equals(section(name)),
          `${name} differs: run "npm run bpf" and commit the object`,
        );
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('the source is formatted', { skip: missing('clang') }, () => {
    const files = globSync('bpf/*.{c,h}', { cwd: root });
    execFileSync('clang-format-14', ['--dry-run', '--Werror', ...files], { cwd: root });
    for (const file of files) {
      const lines = readFileSync(join(root, file), 'utf8').split('\n').length;
      assert.ok(lines <= 300, `${file} has ${lines} lines`);
    }
  });

  test('names no path of the machine that compiled it', () => {
    const strings = section('.BTF').toString('latin1').split('\0');
    assert.deepEqual(
      strings.filter((text) => /^\/\w/.test(text) && !text.startsWith('/usr/include/')),
      [],
    );
  });
});

describe('the layout that both sides share', () => {
  test('sizes', () => {
    assert.equal(struct('flow').bytes, FLOW_BYTES);
    assert.equal(struct('bucket').bytes, BUCKET_BYTES);
    assert.equal(struct('settings').bytes, SETTINGS_BYTES);
    assert.equal(struct('counter').bytes, COUNTER_BYTES);
    assert.equal(struct('port').bytes, 4);
    assert.deepEqual([struct('flow_key4').bytes, struct('flow_key6').bytes], [KEY_BYTES.flows4, KEY_BYTES.flows6]);
  });

  test('offsets', () => {
    assert.deepEqual(without(struct('flow'), 'unused'), FLOW_OFFSETS);
    assert.deepEqual(without(struct('bucket'), 'lock', 'unused'), BUCKET_OFFSETS);
    assert.deepEqual(struct('settings').offsets, SETTINGS_OFFSETS);
    assert.deepEqual(struct('counter').offsets, { packets: 0, bytes: 8 });
    assert.deepEqual(struct('port').offsets, { bits4: 0, bits6: 1, service4: 2, service6: 3 });
    assert.deepEqual(struct('flow_key4').offsets, {
      local: 0,
      remote: 4,
      local_port: 8,
      remote_port: 10,
      discriminator: 12,
    });
    assert.deepEqual(struct('flow_key6').offsets, {
      local: 0,
      remote: 16,
      local_port: 32,
      remote_port: 34,
      discriminator: 36,
    });
  });

  test('neighbours, and the digest of all that maps hold', () => {
    assert.equal(struct('neighbour').bytes, 24);
    assert.deepEqual(struct('neighbour').offsets, NEIGHBOUR_OFFSETS);
    const words = ['layout.h', 'maps.h', 'reasons.h'].map((file) => code(file).replaceAll(/\s+/g, ' '));
    assert.equal(LAYOUT, createHash('sha256').update(words.join('\n')).digest('hex').slice(0, 16));
  });

  // Enums that no type of a map mentions are not in BTF; the source, which the object was compiled from, has them.
  test('numbers that have names', () => {
    const reasons = [...enumOf('reasons.h', 'reason')];
    const wanted = REASONS.map((reason) => `REASON_${reason.toUpperCase().replaceAll('-', '_')}`);
    assert.deepEqual(
      reasons.slice(0, REASONS.length + 1),
      [...wanted, 'REASONS'].map((name, index) => [name, index]),
    );
    const services = enumOf('layout.h', 'service');
    for (const [name, value] of Object.entries(SERVICES))
      assert.equal(services.get(`SERVICE_${name.toUpperCase()}`), value);
    const bits = enumOf('layout.h', 'port_bit');
    for (const [name, value] of Object.entries(PORT_BITS)) assert.equal(bits.get(`PORT_${name}`), value);
    assert.deepEqual(
      [...enumOf('layout.h', 'encapsulation').keys()],
      ['ENCAP_KEEP', 'ENCAP_STRIP', 'ENCAP_ADD', 'ENCAP_REPLACE'],
    );
    const exits = enumOf('layout.h', 'exit');
    for (const [name, value] of Object.entries(EXITS)) assert.equal(exits.get(`EXIT_${name}`), value);
    assert.deepEqual([...enumOf('layout.h', 'direction').keys()], ['TO_PEER', 'TO_CLIENT']);
  });
});

function section(name: string): Buffer {
  const found = committed.get(name);
  assert.ok(found, `no section ${name}`);
  return found;
}

function struct(name: string): BtfStruct {
  const found = btf.structs.get(name);
  assert.ok(found, `no struct ${name}`);
  return found;
}

function without(struct: BtfStruct, ...left: readonly string[]): Record<string, number> {
  return Object.fromEntries(Object.entries(struct.offsets).filter(([name]) => !left.includes(name)));
}

/** Names and numbers of an enum in C. */
function enumOf(file: string, name: string): Map<string, number> {
  const body = new RegExp(`enum ${name} \\{([^}]*)\\}`).exec(code(file))?.[1];
  assert.ok(body, `no enum ${name}`);
  let next = 0;
  return new Map(
    [...body.matchAll(/(\w+)(?: = (\d+))?/g)].map(([, word = '', value]) => {
      const number = value === undefined ? next : Number(value);
      next = number + 1;
      return [word, number];
    }),
  );
}

/** Without comments. */
function code(file: string): string {
  return readFileSync(join(root, 'bpf', file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\//g, '');
}
