import type { WorkerLink } from './link.ts';

/** What every worker was asked, and who has not answered yet. */
export class Answers {
  readonly #open = new Map<number, { readonly links: Set<WorkerLink>; readonly done: () => void }>();

  /** `done` is called when each of `links` has answered, or is gone; at once where there is none. */
  ask(question: number, links: readonly WorkerLink[], done: () => void): void {
    if (links.length === 0) done();
    else this.#open.set(question, { links: new Set(links), done });
  }

  answered(question: number, link: WorkerLink): void {
    const asked = this.#open.get(question);
    if (asked === undefined) return;
    asked.links.delete(link);
    if (asked.links.size > 0) return;
    this.#open.delete(question);
    asked.done();
  }

  gone(link: WorkerLink): void {
    for (const question of [...this.#open.keys()]) this.answered(question, link);
  }

  /** Nobody answers any more. */
  end(): void {
    const left = [...this.#open.values()];
    this.#open.clear();
    for (const { done } of left) done();
  }
}
