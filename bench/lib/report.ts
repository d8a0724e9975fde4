import { type Benchmark, isCulvert, type Kind, type Results } from './benchmark.ts';
import { head, ratio, ratioOf, table, targetTable } from './format.ts';
import { type BarGroup, plotBars } from './plot.ts';
import { median } from './stats.ts';

/** The results as Markdown: machine, targets, a table for each kind of measurement. */
export function report(benchmark: Benchmark, kinds: readonly Kind<unknown>[], results: Results): string {
  const targets = benchmark.targets(results);
  const sections = [
    head(`${benchmark.title} benchmark`, results, Object.keys(results.versions)),
    ...(targets.length > 0 ? [targetTable(targets)] : []),
    ...kinds.map((kind) => kindSection(kind, results)),
  ];
  return `${sections.join('\n\n')}\n`;
}

/** The compared figures as bars, by cell, under the first reference of their kind. */
export function plot(benchmark: Benchmark, kinds: readonly Kind<unknown>[], results: Results): string {
  const groups = kinds.flatMap((kind) => {
    const [column] = kind.columns;
    const direction = kind.plot;
    if (direction === undefined || column === undefined) return [];
    return cellsOf(kind, results).map(({ cell, samples }): BarGroup => {
      const names = Object.keys(samples);
      const reference = kind.references.find((name) => names.includes(name)) ?? names[0] ?? '';
      return {
        title: `${kind.title}, ${cell} (${reference} = 1; ${direction})`,
        bars: names.map((name) => ({
          name,
          ratio: ratioOf(samples, name, reference, (sample) => column.value(sample)),
          note: `${column.show(median((samples[name] ?? []).map((sample) => column.value(sample))))} ${column.heading}`,
          isOurs: isCulvert(name),
        })),
      };
    });
  });
  const when = `${results.date.slice(0, 10)}, ${results.rounds} rounds, medians of ratios taken round by round`;
  return plotBars(`${benchmark.title}: Culvert beside others`, when, groups);
}

function kindSection(kind: Kind<unknown>, results: Results): string {
  const references = kind.references.filter((name) => cellsOf(kind, results).some(({ samples }) => samples[name]));
  const columns = kind.columns.flatMap(({ heading, compared }) => [
    heading,
    ...(compared ? references.map((name) => `to ${name}`) : []),
  ]);
  const rows = cellsOf(kind, results).flatMap(({ cell, samples }) =>
    Object.keys(samples).map((name) => [
      cell,
      isCulvert(name) ? `**${name}**` : name,
      ...kind.columns.flatMap((column) => {
        const value = (sample: unknown) => column.value(sample);
        const shown = column.show(median((samples[name] ?? []).map(value)));
        return [shown, ...(column.compared ? references.map((to) => ratio(samples, name, to, value)) : [])];
      }),
    ]),
  );
  return `## ${kind.title}\n\n${kind.note}\n\n${table(['', 'relay', ...columns], rows)}`;
}

function cellsOf(kind: Kind<unknown>, { trials }: Results) {
  return trials.filter((trial) => trial.kind === kind.key);
}

/** The samples of a cell, for targets. The caller knows what the kind's are. */
export function samplesOf<Sample>(
  { trials }: Results,
  kind: Kind<Sample>,
  cell: string,
): Partial<Record<string, Sample[]>> {
  const found = trials.find((trial) => trial.kind === kind.key && trial.cell === cell);
  return (found?.samples ?? {}) as Partial<Record<string, Sample[]>>;
}
