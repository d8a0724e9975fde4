import { readFileSync } from 'node:fs';
import type { Fault, Origin } from '../config/faults.ts';
import { unreadable } from '../config/yaml-file.ts';

/** A variable with where it was set. */
export interface Variable {
  readonly name: string;
  readonly value: string;
  readonly origin: Origin;
}

/** Variables of a file as shells, Docker and systemd read it: `NAME=value`, quotes, `export`, comments. A later one wins. */
export function readEnvFile(file: string): { variables: Variable[]; faults: Fault[] } {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const origin: Origin = { kind: 'file', file, line: 0 };
    return { variables: [], faults: [{ origin, path: [], message: unreadable(error) }] };
  }
  return parseEnvFile(text, file);
}

export function parseEnvFile(text: string, file: string): { variables: Variable[]; faults: Fault[] } {
  const variables = new Map<string, Variable>();
  const faults: Fault[] = [];
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .entries()) {
    if (/^\s*(?:#|$)/.test(line)) continue;
    const origin: Origin = { kind: 'file', file, line: index + 1 };
    const [, name, rest = ''] = /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    const value = name === undefined ? undefined : unquote(rest);
    if (name === undefined) faults.push({ origin, path: [], message: 'is not NAME=value (or put # in front)' });
    else if (value === undefined) faults.push({ origin, path: [name], message: 'has a quote that is not closed' });
    else variables.set(name, { name, value, origin });
  }
  return { variables: [...variables.values()], faults };
}

/** Without quotes; a comment may stand behind. */
function unquote(rest: string): string | undefined {
  const quote = rest[0];
  if (quote !== '"' && quote !== "'") return rest.replace(/\s#.*$/, '').trimEnd();
  const end = rest.indexOf(quote, 1);
  return end > 0 && /^\s*(?:#.*)?$/.test(rest.slice(end + 1)) ? rest.slice(1, end) : undefined;
}
