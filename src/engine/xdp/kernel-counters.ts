import type { Direction, ServiceName } from '../../flow/flow.ts';
import type { BpfMap } from '../../sys/libbpf/map.ts';
import type { TrafficCount } from '../engine.ts';
import { COUNTER_BYTES, readNumber, SERVICES } from './layout.ts';
import { FORWARDED, REASONS, type Reason } from './reasons.ts';

export interface KernelCount {
  readonly service: ServiceName | 'engine';
  readonly reason: Reason;
  readonly packets: number;
  readonly bytes: number;
}

/** What the kernel counted since the map was made, all processors together; without the rows of which nothing was seen. */
export function readCounters(map: BpfMap): KernelCount[] {
  const counts: KernelCount[] = [];
  for (const { keys, values, count } of map.batches()) {
    for (let index = 0; index < count; index++) {
      const row = keys.readUInt32LE(index * 4);
      const service = SERVICE_NAMES[Math.floor(row / REASONS.length)];
      const reason = REASONS[row % REASONS.length];
      let packets = 0;
      let bytes = 0;
      for (let at = index * map.lookupBytes; at < (index + 1) * map.lookupBytes; at += COUNTER_BYTES) {
        packets += readNumber(values, at);
        bytes += readNumber(values, at + 8);
      }
      if (packets > 0 && service !== undefined && reason !== undefined)
        counts.push({ service, reason, packets, bytes });
    }
  }
  return counts;
}

/** What was forwarded, as EngineStats has it. */
export function trafficOf(counts: readonly KernelCount[]): TrafficCount[] {
  return counts.flatMap(({ service, reason, packets, bytes }) => {
    const direction = DIRECTIONS.find((one) => FORWARDED[one] === reason);
    return direction === undefined || service === 'engine' ? [] : [{ service, direction, packets, bytes }];
  });
}

const DIRECTIONS: readonly Direction[] = ['to_peer', 'to_client'];
const SERVICE_NAMES = Object.keys(SERVICES) as (ServiceName | 'engine')[];
