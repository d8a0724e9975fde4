import { execFile } from 'node:child_process';

export type CommandResult =
  | { readonly ok: true; readonly output: string }
  /** Not installed, or it said no. */
  | { readonly ok: false; readonly reason: 'absent' | 'failed' };

/** Runs a tool of the system to its end, within 5 s. Those of administrators are found by users too. */
export function runTool(tool: string, args: readonly string[]): Promise<CommandResult> {
  const env = { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C' };
  return new Promise((resolve) => {
    execFile(tool, args, { env, timeout: 5_000, maxBuffer: 64 << 20 }, (error, output) => {
      if (error === null) resolve({ ok: true, output });
      else resolve({ ok: false, reason: error.code === 'ENOENT' ? 'absent' : 'failed' });
    });
  });
}
