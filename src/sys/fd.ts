import { libc } from './libc.ts';

/** A file descriptor of ours. Whoever makes one closes it; what is still open when a test ends fails it. */
export class Fd {
  readonly number: number;
  readonly what: string;

  constructor(number: number, what: string) {
    this.number = number;
    this.what = what;
    open.add(this);
  }

  /** Once only: the number may belong to somebody else by then. */
  close(): void {
    if (!open.delete(this)) throw new Error(`${this.what} is closed already`);
    libc().close(this.number);
  }

  /** Somebody else makes an Fd of the number, in this thread or another. */
  giveAway(): number {
    if (!open.delete(this)) throw new Error(`${this.what} is closed already`);
    return this.number;
  }
}

/** What the descriptors of this thread that are open are for. */
export function openDescriptors(): string[] {
  return [...open].map(({ what }) => what);
}

const open = new Set<Fd>();
