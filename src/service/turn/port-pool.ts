import type { RandomBytes } from '../../net/random.ts';

/** The free ports of one relayed address. Every operation is O(1), however full the pool is; the order is unpredictable (RFC 8656 §7.2). */
export class PortPool {
  /** `min` and `max` are inclusive. */
  constructor(_min: number, _max: number, _random: RandomBytes) {}

  get free(): number {
    throw new Error('not built yet');
  }

  take(): number | undefined {
    throw new Error('not built yet');
  }

  /** An even port; with `reserveNext` one whose successor is free too, which is then taken as well (the caller releases both). */
  takeEven(_reserveNext: boolean): number | undefined {
    throw new Error('not built yet');
  }

  /** A given port, for restore(); false when it is not free or not ours. */
  takeThis(_port: number): boolean {
    throw new Error('not built yet');
  }

  release(_port: number): void {
    throw new Error('not built yet');
  }
}
