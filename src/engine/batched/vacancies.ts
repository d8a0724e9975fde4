/** Which of a number of places are free. What is given back is taken again last in, first out: few places mean few pages of memory. */
export class Vacancies {
  readonly #most: number;
  readonly #free: number[] = [];
  #next = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Undefined when all are taken. */
  take(): number | undefined {
    const place = this.#free.pop();
    if (place !== undefined) return place;
    return this.#next < this.#most ? this.#next++ : undefined;
  }

  give(place: number): void {
    this.#free.push(place);
  }
}
