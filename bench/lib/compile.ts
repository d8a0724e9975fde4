import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError, run } from './child.ts';
import { hasCommand } from './machine.ts';
import { cacheFolder, root } from './paths.ts';

/** Compiles bench/load when its sources are newer than what is there; gives the program's path. */
export async function compileLoad(): Promise<string> {
  const files = filesIn('bench/load');
  const program = join(cacheFolder, 'load');
  await compile(program, files, ['cc', ...FLAGS, '-o', program, ...ofKind(files, '.c')], C_PACKAGES);
  return program;
}

export interface FramesPrograms {
  readonly program: string;
  /** For the kernel: the load itself, the bare rewrite, what wraps a program for test runs, and a bare look-up. */
  readonly frames: string;
  readonly limit: string;
  readonly wrap: string;
  readonly lookup: string;
}

/** The same for bench/frames, of which a part runs in the kernel. */
export async function compileFrames(): Promise<FramesPrograms> {
  const files = filesIn('bench/frames');
  const program = join(cacheFolder, 'frames');
  const inputs = ofKind(files, '.c').filter((name) => !name.endsWith('.bpf.c'));
  const util = join(root, 'bench/load/util.c');
  const command = ['cc', ...FLAGS, '-o', program, ...inputs, util, '-lbpf', '-lpthread'];
  await compile(program, [...files, util], command, `${C_PACKAGES} libbpf-dev`);
  const headers = ['x86_64', 'aarch64', 'riscv64'].map((machine) => `/usr/include/${machine}-linux-gnu`);
  const flags = ['-target', 'bpfel', '-mcpu=v3', '-O2', '-g', '-Wall', '-Wextra', '-Werror'];
  const include = headers.filter((folder) => existsSync(folder)).flatMap((folder) => ['-isystem', folder]);
  const object = async (name: string): Promise<string> => {
    const result = join(cacheFolder, `${name}.bpf.o`);
    const source = join(root, `bench/frames/${name}.bpf.c`);
    const compiler = process.env.CLANG ?? (hasCommand('clang') ? 'clang' : 'clang-14');
    await compile(result, files, [compiler, ...flags, ...include, '-c', source, '-o', result], 'clang libbpf-dev');
    return result;
  };
  return {
    program,
    frames: await object('frames'),
    limit: await object('limit'),
    wrap: await object('wrap'),
    lookup: await object('lookup'),
  };
}

const FLAGS = ['-O2', '-std=gnu11', '-Wall', '-Wextra', '-Werror'];
const C_PACKAGES = 'gcc libc6-dev';

function filesIn(folder: string): string[] {
  return readdirSync(join(root, folder)).map((name) => join(root, folder, name));
}

function ofKind(files: readonly string[], ending: string): string[] {
  return files.filter((name) => name.endsWith(ending));
}

async function compile(
  result: string,
  files: readonly string[],
  command: readonly string[],
  packages: string,
): Promise<void> {
  if (isNewerThanAll(result, files)) return;
  mkdirSync(cacheFolder, { recursive: true });
  try {
    await run(command, 60_000);
  } catch (error) {
    if (error instanceof CommandError && error.message.includes('ENOENT')) {
      const [compiler = ''] = command;
      throw new CommandError(
        `the load program is C and there is no compiler "${compiler}" here: install it (apt-get install ${packages})`,
      );
    }
    throw error;
  }
}

function isNewerThanAll(program: string, files: readonly string[]): boolean {
  const built = statSync(program, { throwIfNoEntry: false });
  return built !== undefined && files.every((file) => statSync(file).mtimeMs < built.mtimeMs);
}
