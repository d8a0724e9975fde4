import type { Endpoint } from '../net/endpoint.ts';
import type { SocketId } from '../net/ids.ts';
import type { Millis } from '../net/time.ts';
import { encapsulate } from './encapsulate.ts';
import type { Flow } from './flow.ts';
import type { FlowTable } from './flow-table.ts';
import type { DropReason } from './installed-flow.ts';
import type { MissReason } from './socket-flows.ts';

/** What becomes of a packet. A miss goes up to the service; a drop ends here and is counted. */
export type Verdict =
  | {
      readonly kind: 'forward';
      readonly flow: Flow;
      readonly from: SocketId;
      readonly to: Endpoint;
      readonly packet: Uint8Array;
    }
  | { readonly kind: 'miss'; readonly reason: MissReason }
  | { readonly kind: 'drop'; readonly flow: Flow; readonly reason: DropReason };

/** Where a packet arrived and where it came from. */
export interface Arrival {
  readonly socket: SocketId;
  readonly remote: Endpoint;
}

/**
 * The reference that every engine agrees with, byte for byte: which flow takes the packet, whether it may go out now, and what goes out.
 * Nothing happens outside the table, where the flow's counters and its bucket move on. `payload` is left as it was.
 *
 * 1. Look up (socket, remote): the discriminated flow first, then the one without, unless it excepts the first word. None: miss.
 * 2. Too big for the family that it leaves by: drop, without charge.
 * 3. Token bucket: not enough for the payload as received: drop.
 * 4. Count, change the encapsulation, forward. ChannelData without data becomes an empty datagram.
 */
export function apply(table: FlowTable, at: Arrival, payload: Uint8Array, now: Millis): Verdict {
  const found = table.find(at.socket, at.remote, payload);
  if (typeof found === 'string') return { kind: 'miss', reason: found };
  const { flow } = found;
  const refusal = found.admit(payload, now);
  if (refusal !== undefined) return { kind: 'drop', flow, reason: refusal };
  const { socket, remote, encapsulation } = flow.rewrite;
  return { kind: 'forward', flow, from: socket, to: remote, packet: encapsulate(encapsulation, payload) };
}
