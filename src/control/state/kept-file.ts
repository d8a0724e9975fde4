import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from './replace-file.ts';

/** A value that is kept over a restart, as JSON in the state folder. */
export class KeptFile {
  readonly #file: string;

  constructor(folder: string, name: string) {
    this.#file = join(folder, name);
  }

  /** Undefined when there is none, null when it cannot be read or is no JSON: who keeps something by it has to say that it is lost. */
  read(): unknown {
    try {
      return JSON.parse(readFileSync(this.#file, 'utf8'));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? '';
      return ['ENOENT', 'ENOTDIR'].includes(code) ? undefined : null;
    }
  }

  /** Why it could not be written, or undefined when it was. For its owner alone: it holds addresses of clients. */
  write(value: unknown): string | undefined {
    try {
      replaceFile(this.#file, `${JSON.stringify(value)}\n`, 0o600);
      return undefined;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? String(error);
    }
  }
}
