import type { FlowCounters } from '../../flow/flow.ts';
import type { Millis } from '../../net/time.ts';
import type { BpfMap } from '../../sys/libbpf/map.ts';
import type { EngineStats, TrafficCount } from '../engine.ts';
import { readCounters, trafficOf } from './kernel-counters.ts';
import { DROPS, FORWARDED, type Reason } from './reasons.ts';

// A packet is counted either by the kernel or by the engine below: what both counted is added.

/** `kernel.lastSeen` is of CLOCK_MONOTONIC; `now` and `monotonic` are the same moment on the two clocks. */
export function mergeCounters(
  inner: FlowCounters | undefined,
  kernel: FlowCounters | undefined,
  now: Millis,
  monotonic: Millis,
): FlowCounters | undefined {
  if (inner === undefined || kernel === undefined) return inner;
  const seen = kernel.lastSeen === 0 ? 0 : now - Math.max(0, monotonic - kernel.lastSeen);
  return {
    packets: inner.packets + kernel.packets,
    bytes: inner.bytes + kernel.bytes,
    lastSeen: Math.max(inner.lastSeen, seen),
  };
}

/** `refused`: flows that the kernel did not take, by why. `retaken`: those that it took later. */
export function mergeStats(
  inner: EngineStats,
  counters: BpfMap,
  refused: ReadonlyMap<string, number>,
  retaken: number,
): EngineStats {
  const counts = readCounters(counters);
  const drops = new Map([...inner.drops].map(([owner, reasons]) => [owner, new Map(reasons)]));
  const passes: typeof drops = new Map();
  for (const { service, reason, packets } of counts) {
    if (FORWARDS.has(reason)) continue;
    const into = DROPS.has(reason) ? drops : passes;
    const reasons = into.get(service) ?? new Map<string, number>();
    reasons.set(reason, (reasons.get(reason) ?? 0) + packets);
    into.set(service, reasons);
  }
  return {
    flows: inner.flows,
    traffic: mergeTraffic(inner.traffic, trafficOf(counts)),
    drops,
    slowPath: { passes, refusedFlows: new Map(refused), retakenFlows: retaken },
  };
}

function mergeTraffic(inner: readonly TrafficCount[], kernel: readonly TrafficCount[]): TrafficCount[] {
  const merged = inner.map((count) => ({ ...count }));
  for (const count of kernel) {
    const same = merged.find(({ service, direction }) => service === count.service && direction === count.direction);
    if (same === undefined) {
      merged.push({ ...count });
    } else {
      same.packets += count.packets;
      same.bytes += count.bytes;
    }
  }
  return merged;
}

const FORWARDS: ReadonlySet<Reason> = new Set(Object.values(FORWARDED));
