import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from './replace-file.ts';

/** A value that a service keeps over a restart, as JSON in the state folder. What is damaged counts as absent: it is a cache. */
export class KeptFile {
  readonly #file: string;

  constructor(folder: string, name: string) {
    this.#file = join(folder, name);
  }

  /** Undefined when there is none that can be read. */
  read(): unknown {
    try {
      const value: unknown = JSON.parse(readFileSync(this.#file, 'utf8'));
      return value ?? undefined;
    } catch {
      return undefined;
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
