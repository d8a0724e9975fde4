import type { MachineFacts } from './machine.ts';
import type { Rounds } from './rounds.ts';
import { medianRatio } from './stats.ts';
import type { Target } from './targets.ts';

/** What the head of every report says. */
export interface RunFacts {
  readonly date: string;
  readonly machine: MachineFacts;
  readonly path: string;
  readonly cores: { readonly load: number; readonly relay: number };
  readonly rounds: number;
  readonly seconds: number;
  readonly quick: boolean;
  /** What is sent, where it is not the usual: separate packets of sockets. */
  readonly traffic?: string;
  readonly versions: Partial<Record<string, string>>;
  /** Why a contestant is not in the tables, or what went wrong with it. */
  readonly faults: readonly string[];
}

const SATURATED = 0.9;

export function head(title: string, facts: RunFacts, order: readonly string[]): string {
  const { machine, versions, cores, traffic = 'separate frames, no segmentation offload' } = facts;
  return [
    `# ${title}, ${facts.date.slice(0, 16).replace('T', ' ')} UTC${facts.quick ? ' (quick: figures mean little)' : ''}`,
    '',
    `- ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Linux ${machine.kernel}, Node ${machine.node}; ${percent(machine.busyBefore)} busy before the first run${machine.nice === 0 ? '' : `, load and relays at nice ${machine.nice}`}`,
    `- ${facts.path}; relay on core ${cores.relay}, load on core ${cores.load}; ${traffic}`,
    `- ${facts.rounds} rounds of ${facts.seconds} s, contestants in turn${facts.quick ? '' : ', the round before them thrown away'}; medians, and ratios taken round by round`,
    ...order.filter((name) => versions[name] !== undefined).map((name) => `- ${name}: ${versions[name]}`),
    ...facts.faults.map((fault) => `- **Fault.** ${fault}`),
  ].join('\n');
}

export function targetTable(targets: readonly Target[]): string {
  const rows = targets.map(({ what, wanted, got, met, why }) => [
    what,
    wanted,
    got ?? '–',
    got === undefined ? 'not measured' : met ? 'met' : `**missed**${why === undefined ? '' : `, see ${why}`}`,
  ]);
  return `## Targets\n\n${table(['what', 'target', 'measured', ''], rows)}`;
}

export function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(columns), line(columns.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Of one contestant to another, by rounds; "–" where either has no figures. */
export function ratio<Sample>(
  samples: Rounds<Sample>,
  own: string,
  to: string,
  value: (sample: Sample) => number,
): string {
  return times(ratioOf(samples, own, to, value));
}

/** NaN where either has no figures. */
export function ratioOf<Sample>(
  samples: Rounds<Sample>,
  own: string,
  to: string,
  value: (sample: Sample) => number,
): number {
  const [mine, theirs] = [samples[own], samples[to]];
  if (mine === undefined || theirs === undefined) return Number.NaN;
  return medianRatio(mine.map(value), theirs.map(value));
}

export function times(value: number): string {
  return Number.isFinite(value) ? `${value.toFixed(2)}×` : '–';
}

export function thousands(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString('en-US') : '–';
}

/** With so many digits behind the point. */
export function fixed(digits: number): (value: number) => string {
  return (value) => (Number.isFinite(value) ? value.toFixed(digits) : '–');
}

/** Bold when others used the relay's core, or the load did not keep up. */
export function busy(share: number): string {
  return share < SATURATED ? `**${percent(share)}**` : percent(share);
}

export function percent(share: number): string {
  return Number.isFinite(share) ? `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %` : '–';
}
