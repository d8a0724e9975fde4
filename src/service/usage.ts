import type { FlowCounters } from '../flow/flow.ts';
import type { FlowId } from '../net/ids.ts';
import type { Millis } from '../net/time.ts';

/** What flows have carried, which only the engine knows. An argument like the time: the service asks and keeps nothing. */
export interface FlowReader {
  /** Undefined for a flow that is gone; of one that the engine reaps, until its handleFlowIdle has returned. */
  read(flow: FlowId): FlowCounters | undefined;
}

export interface Count {
  readonly packets: number;
  readonly bytes: number;
}

/** What one client sent and was sent, without what the flows carry that it has now. */
export class Usage {
  lastSeen: Millis = 0;
  sentPackets = 0;
  sentBytes = 0;
  receivedPackets = 0;
  receivedBytes = 0;

  /** A payload of the client that was relayed without a flow. */
  noteSent(bytes: number): void {
    this.sentPackets += 1;
    this.sentBytes += bytes;
  }

  noteReceived(bytes: number): void {
    this.receivedPackets += 1;
    this.receivedBytes += bytes;
  }

  /** A flow goes: what it carried stays. */
  keepSent(counters: FlowCounters): void {
    this.sentPackets += counters.packets;
    this.sentBytes += counters.bytes;
    this.lastSeen = Math.max(this.lastSeen, counters.lastSeen);
  }

  keepReceived(counters: FlowCounters): void {
    this.receivedPackets += counters.packets;
    this.receivedBytes += counters.bytes;
  }
}

/** Everything together: what is kept, and the flows that the client has now. */
export function totalUsage(
  kept: Usage | undefined,
  flows: FlowReader,
  sending: Iterable<FlowId | undefined>,
  receiving: Iterable<FlowId | undefined>,
): { readonly lastSeen: Millis; readonly sent: Count; readonly received: Count } {
  const total = new Usage();
  for (const flow of sending) {
    const counters = flow === undefined ? undefined : flows.read(flow);
    if (counters !== undefined) total.keepSent(counters);
  }
  for (const flow of receiving) {
    const counters = flow === undefined ? undefined : flows.read(flow);
    if (counters !== undefined) total.keepReceived(counters);
  }
  return {
    lastSeen: Math.max(total.lastSeen, kept?.lastSeen ?? 0),
    sent: {
      packets: total.sentPackets + (kept?.sentPackets ?? 0),
      bytes: total.sentBytes + (kept?.sentBytes ?? 0),
    },
    received: {
      packets: total.receivedPackets + (kept?.receivedPackets ?? 0),
      bytes: total.receivedBytes + (kept?.receivedBytes ?? 0),
    },
  };
}
