import { perSecond as connectionsPerSecond, cpuPerGigabyte, gigabits } from '../forward/kinds.ts';
import type { Results } from '../lib/benchmark.ts';
import { thousands, times } from '../lib/format.ts';
import type { StreamSample } from '../lib/load.ts';
import { median, medianRatio } from '../lib/stats.ts';
import { atLeast, atMost, type Target, target } from '../lib/targets.ts';
import { SERVICES } from './contestants.ts';
import type { FrameSample } from './frames.ts';
import { type MapSample, perSecond } from './kinds.ts';

/** The targets of the engines, against what was measured. The worst cell counts. */
export function targets(results: Results): Target[] {
  const kernel = SERVICES.filter((service) => cells(results, service).length > 0).flatMap((service) => [
    least(results, `xdp, ${service}, delivered packets against coturn`, service, 'culvert-xdp', 'coturn', 12),
    least(results, `xdp, ${service}, against the bare rewrite`, service, 'culvert-xdp', 'rewrite', 0.8),
  ]);
  const turn = [
    least(results, 'portable against bare node:dgram', 'turn', 'culvert-portable', 'bare', 0.9),
    least(results, 'batched, 64 interleaved flows, against coturn', 'interleaved', 'culvert-batched', 'coturn', 1.7),
    least(results, 'batched, bulk flows, against coturn', 'bulk', 'culvert-batched', 'coturn', 5),
    least(results, 'batched, bulk flows, against xdp', 'bulk', 'culvert-batched', 'culvert-xdp', 0.45),
    least(results, 'added latency p99, kernel forwarding against xdp', 'latency', 'kernel', 'culvert-xdp', 1, p99),
  ];
  return [...kernel, ...turn, ...ofMaps(results), ...ofTcp(results)]
    .filter(({ got }) => got !== undefined)
    .map((each) => ({ ...each, why: PROFILE }));
}

/** In bench/results. */
const PROFILE = '[the profile](engines-profile.md)';

/** Of the load of sockets: the first engine of a run has the plain name. */
function ofTcp(results: Results): Target[] {
  const batched = /batched/.test(results.versions.culvert ?? '') ? 'culvert' : 'culvert-batched';
  const portable = /portable/.test(results.versions.culvert ?? '') ? 'culvert' : 'culvert-portable';
  const perByte = (sample: StreamSample) => 1 / cpuPerGigabyte(sample);
  return [
    least(
      results,
      'TCP, batched, Gbit/s against HAProxy that splices',
      'stream',
      batched,
      'haproxy-splice',
      1,
      gigabits,
    ),
    least(results, 'the same, bytes per CPU second', 'stream', batched, 'haproxy-splice', 1, perByte),
    least(
      results,
      'TCP, batched, connections/s against HAProxy',
      'connect',
      batched,
      'haproxy-splice',
      1,
      connectionsPerSecond,
    ),
    least(results, 'the same against nginx', 'connect', batched, 'nginx', 1, connectionsPerSecond),
    least(results, 'TCP, portable, Gbit/s against socat', 'stream', portable, 'socat', 1.7, gigabits),
  ];
}

function least<Sample = FrameSample>(
  results: Results,
  what: string,
  kind: string,
  ours: string,
  theirs: string,
  wanted: number,
  value: (sample: Sample) => number = perSecond as (sample: Sample) => number,
): Target {
  const ratios = cells(results, kind).flatMap(({ samples }) => {
    const [own, others] = [samples[ours], samples[theirs]] as (Sample[] | undefined)[];
    return own && others ? medianRatio(own.map(value), others.map(value)) : [];
  });
  return target(what, `≥ ${wanted}×`, atLeast(wanted), ratios.length ? Math.min(...ratios) : undefined, times);
}

function ofMaps(results: Results): Target[] {
  const samples = cells(results, 'maps').flatMap((trial) => (trial.samples['culvert-xdp'] ?? []) as MapSample[]);
  const of = (value: (sample: MapSample) => number) => (samples.length ? median(samples.map(value)) : undefined);
  const growth = of(({ one, full }) => full / one);
  const spread = of(({ one, million }) => million / one);
  const installs = of(({ batched }) => batched);
  return [
    target('xdp, ns a packet, 1,048,576 flows in the map against 1', '≤ 1.5×', atMost(1.5), growth, times),
    target('the same, packets of all of them in random order', '≤ 1.5×', atMost(1.5), spread, times),
    target('flow installs in batches, a second', '≥ 300,000', atLeast(300_000), installs, thousands),
  ];
}

function cells({ trials }: Results, kind: string) {
  return trials.filter((trial) => trial.kind === kind);
}

const p99 = (sample: FrameSample): number => sample.p99 ?? Number.NaN;
