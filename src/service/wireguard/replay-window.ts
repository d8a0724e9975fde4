/** Which counters of a session have come already (RFC 6479, in the small): those far behind the highest count as come. */
export class ReplayWindow {
  #highest = -1n;
  /** Bit n: highest − n has come. */
  #seen = 0n;

  /** Whether it is new; nothing changes. */
  isFresh(counter: bigint): boolean {
    if (counter > this.#highest) return true;
    const behind = this.#highest - counter;
    return behind < WIDTH && (this.#seen & (1n << behind)) === 0n;
  }

  /** After the packet has proved authentic. */
  add(counter: bigint): void {
    const ahead = counter - this.#highest;
    if (ahead > 0n) {
      this.#seen = ahead >= WIDTH ? 1n : ((this.#seen << ahead) & MASK) | 1n;
      this.#highest = counter;
    } else {
      this.#seen |= 1n << -ahead;
    }
  }
}

/** Nothing but keepalives is expected, one in 25 s. */
const WIDTH = 64n;
const MASK = (1n << WIDTH) - 1n;
