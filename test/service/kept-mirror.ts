import assert from 'node:assert/strict';
import type { KeptEntry, Restorable } from '../../src/service/kept.ts';

/** What stands in the journal of a keeper that writes only what changed, and whether that is all there is. */
export class KeptMirror {
  readonly #service: Restorable;
  readonly #plain: (value: object) => unknown;
  readonly #entries: Map<string, unknown>;
  checks = 0;

  /** `plain`: leaves out what may be older in the journal. */
  constructor(service: Restorable, plain: (value: object) => unknown = (value) => value) {
    this.#service = service;
    this.#plain = plain;
    this.#entries = new Map();
    this.#apply(service.keptEntries());
  }

  check(): void {
    const changes = this.#service.keptChanges();
    assert.ok(changes, 'changes are noted');
    this.#apply(changes);
    const written = [...this.#entries].sort();
    this.#entries.clear();
    this.#apply(this.#service.keptEntries());
    assert.deepEqual(written, [...this.#entries].sort());
    this.checks++;
  }

  /** As they come back from the file. */
  get values(): object[] {
    return [...this.#entries.values()] as object[];
  }

  #apply(entries: Iterable<KeptEntry>): void {
    for (const { key, value } of entries) {
      if (value === undefined) this.#entries.delete(key);
      else this.#entries.set(key, JSON.parse(JSON.stringify(this.#plain(value))));
    }
  }
}
