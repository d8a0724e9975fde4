import type { Origin } from './faults.ts';

/** Has no prototype, so that a key such as "__proto__" is a key like any other. */
export type Section = { [key: string]: unknown };

/** Settings as written, from all sources laid over each other, each key with the place that it came from. */
export class SettingsTree {
  readonly root: Section = makeSection();
  readonly #origins = new Map<string, Origin>();

  /** A later value replaces an earlier one, except that sections are merged key by key. */
  set(path: readonly string[], value: unknown, originOf: (path: readonly string[]) => Origin): void {
    if (isSection(value)) {
      this.#sectionAt(path);
      this.#origins.set(pathKey(path), originOf(path));
      for (const [key, part] of Object.entries(value)) this.set([...path, key], part, originOf);
      return;
    }
    if (this.has(path)) this.#forget(path);
    this.#noteOrigins(path, value, originOf);
    this.#sectionAt(path.slice(0, -1))[path.at(-1) ?? ''] = value;
  }

  /** Takes a value out, so that its default holds. */
  remove(path: readonly string[]): void {
    let parent: unknown = this.root;
    for (const key of path.slice(0, -1)) parent = isSection(parent) ? parent[key] : undefined;
    if (isSection(parent)) delete parent[path.at(-1) ?? ''];
  }

  has(path: readonly string[]): boolean {
    let value: unknown = this.root;
    for (const key of path) value = isSection(value) ? value[key] : undefined;
    return value !== undefined;
  }

  /** Origin of the key, or of the nearest section around it. */
  originOf(path: readonly string[]): Origin {
    for (let length = path.length; length >= 0; length--) {
      const origin = this.#origins.get(pathKey(path.slice(0, length)));
      if (origin !== undefined) return origin;
    }
    return { kind: 'default' };
  }

  #sectionAt(path: readonly string[]): Section {
    let section = this.root;
    for (const key of path) {
      const next = section[key];
      section = isSection(next) ? next : (section[key] = makeSection());
    }
    return section;
  }

  #noteOrigins(path: readonly string[], value: unknown, originOf: (path: readonly string[]) => Origin): void {
    this.#origins.set(pathKey(path), originOf(path));
    if (!Array.isArray(value)) return;
    for (const index of value.keys()) {
      const item = [...path, String(index)];
      this.#origins.set(pathKey(item), originOf(item));
    }
  }

  #forget(path: readonly string[]): void {
    const prefix = `${pathKey(path)}${SEPARATOR}`;
    for (const key of this.#origins.keys()) {
      if (key.startsWith(prefix)) this.#origins.delete(key);
    }
  }
}

export function isSection(value: unknown): value is Section {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function makeSection(): Section {
  return Object.create(null) as Section;
}

const SEPARATOR = '\u0000';

export function pathKey(path: readonly string[]): string {
  return path.join(SEPARATOR);
}
