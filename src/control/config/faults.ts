import { oneLine } from '../one-line.ts';

/** Where a setting came from. Later sources win: default, file, environment, command line. */
export type Origin =
  | { readonly kind: 'file'; readonly file: string; readonly line: number }
  | { readonly kind: 'environment'; readonly variable: string }
  | { readonly kind: 'override'; readonly argument: string }
  | { readonly kind: 'default' };

/** Something wrong with the configuration. `message` says how to mend it and never holds a secret. */
export interface Fault {
  readonly origin: Origin;
  /** Empty when the fault is not in one key (a file that cannot be read). */
  readonly path: readonly string[];
  readonly message: string;
}

/** `config.yaml:12: turn.relay.ports: ...`, in one line whatever the parts hold. */
export function formatFault(fault: Fault): string {
  const { origin, path, message } = fault;
  const place =
    origin.kind === 'override' ? overridePlace(origin.argument, path) : [formatOrigin(origin), formatPath(path)];
  return oneLine([...place, message].filter((part) => part !== '').join(': '));
}

/** turn.listen[0] */
export function formatPath(path: readonly string[]): string {
  return path.map((key, index) => (/^\d+$/.test(key) ? `[${key}]` : index === 0 ? key : `.${key}`)).join('');
}

/** The candidate that was probably meant, or undefined when none is near. */
export function didYouMean(given: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(given.length / 5)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(given.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function overridePlace(argument: string, path: readonly string[]): string[] {
  return [argument === '--set' ? `--set ${formatPath(path)}` : argument];
}

function formatOrigin(origin: Origin): string {
  switch (origin.kind) {
    case 'file':
      return origin.line > 0 ? `${origin.file}:${origin.line}` : origin.file;
    case 'environment':
      return origin.variable;
    case 'override':
      return origin.argument;
    case 'default':
      return '';
  }
}

/** Optimal string alignment (insert, delete, replace, swap neighbours). What is longer than any name is cut. */
function editDistance(a: string, b: string): number {
  const left = a.slice(0, 64);
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (left[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && left[i - 1] === b[j - 2] && left[i - 2] === b[j - 1];
      // Swapped letters are likelier than another letter.
      const swap = swapped ? (before[j - 2] ?? 0) + 0.5 : Number.POSITIVE_INFINITY;
      next.push(Math.min(substitution, swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    before = row;
    row = next;
  }
  return row.at(-1) ?? 0;
}
