import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError, run } from './child.ts';
import { cacheFolder, root } from './paths.ts';

/** Compiles bench/load when its sources are newer than what is there; gives the program's path. */
export async function compileLoad(): Promise<string> {
  const sources = join(root, 'bench/load');
  const program = join(cacheFolder, 'load');
  const files = readdirSync(sources).map((name) => join(sources, name));
  if (isNewerThanAll(program, files)) return program;

  mkdirSync(cacheFolder, { recursive: true });
  const inputs = files.filter((name) => name.endsWith('.c'));
  const flags = ['-O2', '-std=gnu11', '-Wall', '-Wextra', '-Werror'];
  try {
    await run(['cc', ...flags, '-o', program, ...inputs], 60_000);
  } catch (error) {
    if (error instanceof CommandError && error.message.includes('ENOENT')) {
      throw new CommandError(
        'the load program is C and there is no compiler "cc" here: install gcc (apt-get install gcc libc6-dev)',
      );
    }
    throw error;
  }
  return program;
}

function isNewerThanAll(program: string, files: readonly string[]): boolean {
  const built = statSync(program, { throwIfNoEntry: false });
  return built !== undefined && files.every((file) => statSync(file).mtimeMs < built.mtimeMs);
}
