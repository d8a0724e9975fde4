import type { Millis } from '../net/time.ts';
import { encapsulatedLength, MAX_PAYLOAD } from './encapsulate.ts';
import type { Direction, Flow, FlowCounters, ServiceName } from './flow.ts';
import type { Idler } from './idle-wheel.ts';
import type { TokenBucket } from './token-bucket.ts';

/** Why a packet that a flow took does not go out. */
export type DropReason = 'too-big' | 'rate-limited';

/** What flows of one service forwarded in one direction, also those that are gone. */
export interface Tally {
  readonly service: ServiceName;
  readonly direction: Direction;
  packets: number;
  bytes: number;
}

/** A flow in a table: the decision, and what is counted about it. Every field is set here, in one order, for one hidden class. */
export class InstalledFlow implements Idler, FlowCounters {
  readonly flow: Flow;
  readonly bucket: TokenBucket | undefined;
  readonly tally: Tally;
  /** -1: none. */
  readonly exceptWord: number;
  packets = 0;
  /** Payload bytes as received, like those that a limit charges. */
  bytes = 0;
  /** The last packet that it took, forwarded or not: a flow at its limit is not idle. */
  lastSeen: Millis = 0;
  slot = -1;
  /** Where a mirror has it, -1 while it has not. Kept by the mirror. */
  place = -1;

  constructor(flow: Flow, bucket: TokenBucket | undefined, tally: Tally) {
    this.flow = flow;
    this.bucket = bucket;
    this.tally = tally;
    this.exceptWord = flow.match.exceptWord ?? -1;
  }

  /** Whether a packet that this flow takes may go out now; counts and charges it if so. What cannot be sent anyway is not charged. */
  admit(payload: Uint8Array, now: Millis): DropReason | undefined {
    this.lastSeen = now;
    const { rewrite } = this.flow;
    if (encapsulatedLength(rewrite.encapsulation, payload) > MAX_PAYLOAD[rewrite.remote.family]) return 'too-big';
    const bytes = payload.length;
    if (this.bucket !== undefined && !this.bucket.take(bytes, now)) return 'rate-limited';
    this.packets += 1;
    this.bytes += bytes;
    this.tally.packets += 1;
    this.tally.bytes += bytes;
    return undefined;
  }

  counters(): FlowCounters {
    return { packets: this.packets, bytes: this.bytes, lastSeen: this.lastSeen };
  }
}
