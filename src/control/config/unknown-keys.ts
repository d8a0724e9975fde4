import type { Fault } from './faults.ts';
import { isSection, type SettingsTree } from './settings-tree.ts';
import { rootShape, type Shape } from './shape.ts';
import { unknownKey } from './text-sources.ts';

/** Every key that the schema does not have (valibot stops at the first of a section), and lists where sections are wanted. */
export function findUnknownKeys(tree: SettingsTree): Fault[] {
  const faults: Fault[] = [];
  visit(tree, tree.root, rootShape(), [], faults);
  return faults;
}

function visit(tree: SettingsTree, value: unknown, shape: Shape, path: readonly string[], faults: Fault[]): void {
  const found = (at: readonly string[], message: string) =>
    faults.push({ origin: tree.originOf(at), path: at, message });
  if (shape.kinds.has('map')) {
    if (!isSection(value)) return void found(path, 'must map names to values');
    for (const name of Object.keys(value)) {
      // valibot leaves these out without a word.
      if (RESERVED.has(name)) found([...path, name], 'is a name that cannot be used');
    }
  }
  if (shape.item !== undefined && Array.isArray(value)) {
    for (const [index, item] of value.entries()) visit(tree, item, shape.item, [...path, String(index)], faults);
  }
  if (!shape.kinds.has('section')) return;
  if (!isSection(value)) return void found(path, 'must be a section of keys');
  for (const [key, part] of Object.entries(value)) {
    const inner = [...path, key];
    const entry = shape.entries.get(key);
    if (entry !== undefined) visit(tree, part, entry, inner, faults);
    else found(inner, unknownKey(key, shape.entries.keys()));
  }
}

const RESERVED: ReadonlySet<string> = new Set(['__proto__', 'prototype', 'constructor']);
