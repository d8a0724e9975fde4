import type { StreamId } from '../../../net/ids.ts';
import type { HeldStream } from './held-stream.ts';
import type { WorkerLink } from './link.ts';

/** Those streams of all workers that services know of. */
export class HeldStreams {
  readonly #byId = new Map<StreamId, HeldStream>();
  /** Those that workers accepted or joined by themselves, by link and handle: their handles are below 0. */
  readonly #byHandle = new Map<WorkerLink, Map<number, HeldStream>>();

  add(stream: HeldStream): void {
    const { id, handle, link } = stream;
    this.#byId.set(id, stream);
    if (handle >= 0) return;
    const named = this.#byHandle.get(link) ?? new Map<number, HeldStream>();
    this.#byHandle.set(link, named.set(handle, stream));
  }

  has(id: StreamId): boolean {
    return this.#byId.has(id);
  }

  get(id: StreamId): HeldStream | undefined {
    return this.#byId.get(id);
  }

  /** Whom a worker means by a handle; undefined when it was closed meanwhile. */
  of(link: WorkerLink, handle: number): HeldStream | undefined {
    return handle < 0 ? this.#byHandle.get(link)?.get(handle) : this.#byId.get(handle as StreamId);
  }

  /** False when it was gone before. */
  forget({ id, handle, link }: HeldStream): boolean {
    if (handle < 0) this.#byHandle.get(link)?.delete(handle);
    return this.#byId.delete(id);
  }

  /** Those of a worker that is gone. */
  takeAllOf(link: WorkerLink): HeldStream[] {
    const lost = [...this.#byId.values()].filter((stream) => stream.link === link);
    for (const { id } of lost) this.#byId.delete(id);
    this.#byHandle.delete(link);
    return lost;
  }

  clear(): void {
    this.#byId.clear();
    this.#byHandle.clear();
  }
}
