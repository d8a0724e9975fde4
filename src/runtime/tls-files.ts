import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { judgeTls } from '../control/config/check-tls.ts';
import type { Log } from '../control/log/log.ts';
import type { TlsMaterial } from '../engine/engine.ts';

export interface TlsFilesOptions {
  readonly cert: string;
  readonly key: string;
  readonly log: Log;
  /** A new pair that fits together. */
  readonly onChange: (material: TlsMaterial) => void;
  /** Milliseconds. */
  readonly settle?: number;
  readonly poll?: number;
}

/**
 * Follows certificate and key. Their folders are watched, not the files: certbot and Kubernetes swap symbolic links, and a watched file
 * would be the old one for ever. What a watch cannot see (network file systems, links deeper down) a slow poll finds.
 */
export class TlsFiles {
  readonly #options: TlsFilesOptions;
  readonly #watchers: FSWatcher[] = [];
  readonly #poll: NodeJS.Timeout;
  #settling: NodeJS.Timeout | undefined;
  #current: TlsMaterial;
  /** The last content that was refused, so that the poll does not repeat itself in the log. */
  #refused = '';

  /** Throws what the system answers when the files cannot be read: the configuration was checked just before. */
  constructor(options: TlsFilesOptions) {
    this.#options = options;
    this.#current = readMaterial(options);
    for (const folder of new Set([dirname(options.cert), dirname(options.key)])) this.#watch(folder);
    this.#poll = setInterval(() => this.reload(), options.poll ?? 30_000).unref();
  }

  get current(): TlsMaterial {
    return this.#current;
  }

  /** Takes over new files if they are good; keeps the old ones otherwise. */
  reload(): void {
    const { log, cert, key, onChange } = this.#options;
    let material: TlsMaterial;
    try {
      material = readMaterial(this.#options);
    } catch (error) {
      this.#refuse('', `cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`);
      return;
    }
    const content = material.cert + material.key;
    if (content === this.#current.cert + this.#current.key) return;
    const reason = judgeTls(material.cert, material.key);
    if (reason !== undefined) {
      this.#refuse(content, reason);
      return;
    }
    this.#current = material;
    this.#refused = '';
    onChange(material);
    log.info('TLS certificate replaced', { cert, key });
  }

  close(): void {
    clearInterval(this.#poll);
    clearTimeout(this.#settling);
    for (const watcher of this.#watchers) watcher.close();
  }

  #watch(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => this.#soon());
      watcher.on('error', () => watcher.close());
      this.#watchers.push(watcher);
    } catch {
      // No watches left, or a file system without them: the poll remains.
    }
  }

  /** Certificate and key are two files: waits until both are there. */
  #soon(): void {
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => this.reload(), this.#options.settle ?? 300).unref();
  }

  #refuse(content: string, reason: string): void {
    if (this.#refused === content + reason) return;
    this.#refused = content + reason;
    const { log, cert, key } = this.#options;
    log.warn('new TLS files cannot be used, the old ones stay', { cert, key, reason });
  }
}

function readMaterial({ cert, key }: TlsFilesOptions): TlsMaterial {
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
}
