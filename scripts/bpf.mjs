// "npm run bpf": compiles the kernel program. The object is committed, so only who changes bpf/ needs clang and libbpf-dev; another place
// for the result may be named.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { root } from './setup.mjs';

const folder = join(root, 'bpf');
const object = resolve(process.argv[2] ?? join(folder, 'relay.bpf.o'));
// Where Debian keeps <asm/types.h>, of which only the parts that all machines share are used.
const headers = ['x86_64', 'aarch64', 'riscv64'].map((machine) => `/usr/include/${machine}-linux-gnu`).find(existsSync);

execFileSync(
  process.env.CLANG ?? 'clang',
  [
    ...['-target', 'bpfel', '-mcpu=v3', '-O2', '-g', '-Wall', '-Wextra', '-Werror'],
    `-ffile-prefix-map=${folder}=.`,
    ...(headers === undefined ? [] : ['-isystem', headers]),
    ...['-c', 'relay.bpf.c', '-o', object],
  ],
  { cwd: folder, stdio: 'inherit' },
);
// BTF stays; DWARF, four times the size, goes.
execFileSync('llvm-strip', ['-g', object], { stdio: 'inherit' });
