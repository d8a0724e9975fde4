import { oneLine } from '../control/one-line.ts';

/** Exit codes of every command. */
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

/** Ends a command: each line goes to standard error with the program's name, then the code is returned to the shell. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  readonly lines: readonly string[];
  readonly exitCode: number;

  constructor(lines: readonly string[], exitCode: number) {
    super(lines.join('\n'));
    this.lines = lines;
    this.exitCode = exitCode;
  }
}

export function complain(line: string): void {
  process.stderr.write(`culvert: ${oneLine(line)}\n`);
}
