import type { TrafficCount } from '../engine.ts';
import { sendFailureNames } from '../portable/error-names.ts';
import { OWNERS, TALLIES } from './layout.ts';

/** Why a worker drops a packet. Those of sending are the portable engine's. */
const REASONS: readonly string[] = [
  'too-big',
  'rate-limited',
  'port-zero',
  'send-queue-full',
  'miss-queue-full',
  'receive-failed',
  ...sendFailureNames.filter((name) => name !== 'too-big'),
];

/** What one worker counts: it alone writes, whoever likes reads. */
export class WorkerCounts {
  readonly memory: SharedArrayBuffer;
  readonly #counts: Float64Array;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer((DROPS + OWNERS.length * REASONS.length) * 8)) {
    this.memory = memory;
    this.#counts = new Float64Array(memory);
  }

  forwarded(tally: number, packets: number, bytes: number): void {
    this.#add(tally * 2, packets);
    this.#add(tally * 2 + 1, bytes);
  }

  /** `owner`: by index of OWNERS. */
  dropped(owner: number, reason: string, packets = 1): void {
    this.#add(DROPS + owner * REASONS.length + REASONS.indexOf(reason), packets);
  }

  traffic(): TrafficCount[] {
    return TALLIES.map((tally, n) => ({
      ...tally,
      packets: this.#counts[n * 2] ?? 0,
      bytes: this.#counts[n * 2 + 1] ?? 0,
    }));
  }

  /** Every drop that there was. */
  eachDrop(tell: (owner: (typeof OWNERS)[number], reason: string, packets: number) => void): void {
    for (const [o, owner] of OWNERS.entries()) {
      for (const [r, reason] of REASONS.entries()) {
        const packets = this.#counts[DROPS + o * REASONS.length + r] ?? 0;
        if (packets > 0) tell(owner, reason, packets);
      }
    }
  }

  #add(at: number, count: number): void {
    this.#counts[at] = (this.#counts[at] ?? 0) + count;
  }
}

const DROPS = TALLIES.length * 2;
