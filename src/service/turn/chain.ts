/**
 * Short lists whose items carry the link themselves: 8 bytes an item, where an array of one takes 56. An item is in one chain at a time.
 */
export interface Link<T> {
  next: T | undefined;
}

/** The item at hand may be taken out meanwhile. */
export function* each<T extends Link<T>>(first: T | undefined): IterableIterator<T> {
  for (let item = first; item !== undefined; ) {
    const { next } = item;
    yield item;
    item = next;
  }
}

export function countOf<T extends Link<T>>(first: T | undefined): number {
  let count = 0;
  for (let item = first; item !== undefined; item = item.next) count++;
  return count;
}

/** Puts an item at the end; returns the chain's first. */
export function chained<T extends Link<T>>(first: T | undefined, item: T): T {
  if (first === undefined) return item;
  let last = first;
  while (last.next !== undefined) last = last.next;
  last.next = item;
  return first;
}

/** Takes an item out; returns the chain's first. Nothing happens when it is not in. */
export function unchained<T extends Link<T>>(first: T | undefined, item: T): T | undefined {
  if (first === item) {
    const { next } = item;
    item.next = undefined;
    return next;
  }
  for (let before = first; before !== undefined; before = before.next) {
    if (before.next !== item) continue;
    before.next = item.next;
    item.next = undefined;
  }
  return first;
}
