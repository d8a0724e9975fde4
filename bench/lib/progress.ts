/** One line on stderr that says how far a long run is: overwritten on a terminal, one line per step elsewhere. */
export class Progress {
  readonly #total: number;
  readonly #started: number;
  #done = 0;

  constructor(total: number) {
    this.#total = total;
    this.#started = performance.now();
  }

  step(what: string): void {
    const seconds = Math.round((performance.now() - this.#started) / 1000);
    const line = `bench: ${String(Math.floor((this.#done / this.#total) * 100)).padStart(3)} % ${seconds} s  ${what}`;
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${line}`);
    else console.error(line);
    this.#done++;
  }

  end(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[2K');
  }
}
