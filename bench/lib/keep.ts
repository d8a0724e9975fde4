import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { root } from './paths.ts';

/** Writes what a run found: tables, raw samples, plot. `folder` is relative to the clone. */
export function keep(folder: string, name: string, results: { date: string }, text: string, plot: string): void {
  const at = resolve(root, folder);
  mkdirSync(at, { recursive: true });
  const base = join(at, `${name}-${results.date.slice(0, 10)}`);
  writeFileSync(`${base}.md`, text);
  writeFileSync(`${base}.json`, `${JSON.stringify(results, undefined, 1)}\n`);
  writeFileSync(`${base}.svg`, plot);
  console.error(`bench: kept in ${base}.md, .json and .svg`);
}
