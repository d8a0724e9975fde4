import { readFileSync } from 'node:fs';

/** Version of the package: its package.json lies two folders above, in a clone and in the built package alike. */
export function readVersion(): string {
  const file = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(file) as { version: string };
  return version;
}
