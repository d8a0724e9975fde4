import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { headerLine } from './journal-lines.ts';

/**
 * A journal that is being written, for its owner alone (0600). It grows beside the one before under another name and takes that one's
 * place when it is whole and on disk: a crash at any moment leaves the one or the other. Every method rejects with what the system answers.
 */
export class JournalFile {
  readonly #file: string;
  readonly #temporary: string;
  readonly #handle: FileHandle;

  private constructor(file: string, temporary: string, handle: FileHandle) {
    this.#file = file;
    this.#temporary = temporary;
    this.#handle = handle;
  }

  static async begin(file: string): Promise<JournalFile> {
    const temporary = `${file}.tmp`;
    // Left by a process that was killed, perhaps.
    await rm(temporary, { force: true });
    const journal = new JournalFile(file, temporary, await open(temporary, 'ax', 0o600));
    await journal.append(headerLine());
    return journal;
  }

  async append(lines: string): Promise<void> {
    await this.#handle.appendFile(lines);
  }

  /** What was appended outlives a power failure too; a crash of the process it outlives anyway. */
  sync(): Promise<void> {
    return this.#handle.datasync();
  }

  /** From now on this is the journal. */
  async takePlace(): Promise<void> {
    await this.#handle.sync();
    await rename(this.#temporary, this.#file);
    await syncFolder(dirname(this.#file));
  }

  /** Instead of takePlace(). */
  async abandon(): Promise<void> {
    await this.#handle.close().catch(() => {});
    await rm(this.#temporary, { force: true }).catch(() => {});
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** The rename itself is on disk only when its folder is. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
