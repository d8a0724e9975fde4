import { isSection, type Section, type SettingsTree } from './settings-tree.ts';
import { rootShape, type Shape } from './shape.ts';

export const MASK = '********';

/** Every setting as one would write it, defaults included, secrets masked. */
export function printable(tree: SettingsTree): Section {
  return fill(tree.root, rootShape());
}

/** The same as YAML text. */
export async function printYaml(tree: SettingsTree): Promise<string> {
  const { stringify } = await import('yaml');
  return stringify(printable(tree));
}

function fill(given: Section, shape: Shape): Section {
  const filled: Section = {};
  for (const [key, entry] of shape.entries) {
    const value = given[key] ?? entry.default;
    if (value === undefined) continue;
    if (entry.kinds.has('section')) filled[key] = fill(isSection(value) ? value : {}, entry);
    else filled[key] = entry.secret ? mask(value) : value;
  }
  return filled;
}

/** Names of users stay visible, and how many secrets there are. */
function mask(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(() => MASK);
  if (isSection(value)) return Object.fromEntries(Object.keys(value).map((key) => [key, MASK]));
  return MASK;
}
