import type { ServiceName } from '../../flow/flow.ts';

/** Whose packet it was; 'engine' when no flow says. */
export type DropOwner = ServiceName | 'engine';

/** What the engine had to drop, by whose it was and why. Reasons are few and fixed. */
export class DropCounts {
  readonly #counts = new Map<DropOwner, Map<string, number>>();

  add(owner: DropOwner, reason: string): void {
    let reasons = this.#counts.get(owner);
    if (reasons === undefined) {
      reasons = new Map();
      this.#counts.set(owner, reasons);
    }
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }

  /** A copy, so that what was read does not move. */
  read(): ReadonlyMap<DropOwner, ReadonlyMap<string, number>> {
    return new Map([...this.#counts].map(([owner, reasons]) => [owner, new Map(reasons)]));
  }
}
