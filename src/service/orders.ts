import type { Order } from './service.ts';

/** First in, first out, without moving elements: `take` walks a cursor, and an emptied queue starts over in the same array. */
export class OrderQueue {
  #orders: (Order | undefined)[] = [];
  #next = 0;

  add(order: Order): void {
    this.#orders.push(order);
  }

  take(): Order | undefined {
    const order = this.#orders[this.#next];
    if (order === undefined) return undefined;
    this.#orders[this.#next++] = undefined;
    if (this.#next === this.#orders.length) this.#rewind();
    return order;
  }

  #rewind(): void {
    // One burst (a restore, a change of configuration) must not hold its memory for ever.
    if (this.#orders.length > KEPT_CAPACITY) this.#orders = [];
    else this.#orders.length = 0;
    this.#next = 0;
  }
}

const KEPT_CAPACITY = 1024;
