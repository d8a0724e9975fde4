import * as v from 'valibot';
import type { KeyMetadata } from './fields.ts';
import { configSchema } from './schema.ts';

/** One key of the schema, as far as a reader of text sources or a writer of pages must know it. */
export interface Shape {
  readonly kinds: ReadonlySet<Kind>;
  /** Keys of a section. */
  readonly entries: ReadonlyMap<string, Shape>;
  /** Of a list of sections: what each is like. */
  readonly item: Shape | undefined;
  readonly choices: readonly string[];
  readonly description: string;
  readonly form: string;
  readonly secret: boolean;
  /** As one would write it; undefined when there is none. */
  readonly default: unknown;
}

export type Kind = 'section' | 'map' | 'list' | 'text' | 'number' | 'boolean';

/** Shape of the whole configuration. */
export function rootShape(): Shape {
  return (root ??= shapeOf(configSchema));
}

/** Shape of the key at a path, or undefined when there is no such key. Entries of a map have the shape of a text. */
export function shapeAt(path: readonly string[]): Shape | undefined {
  let shape = rootShape();
  for (const key of path) {
    const next =
      shape.entries.get(key) ?? (shape.kinds.has('map') && path.at(-1) === key ? entryShape(shape) : undefined);
    if (next === undefined) return undefined;
    shape = next;
  }
  return shape;
}

/** Every key with its path, sections before what is in them. */
export function* allKeys(
  shape: Shape = rootShape(),
  path: readonly string[] = [],
): Generator<[readonly string[], Shape]> {
  for (const [key, entry] of shape.entries) {
    yield [[...path, key], entry];
    yield* allKeys(entry, [...path, key]);
  }
}

let root: Shape | undefined;

function entryShape(map: Shape): Shape {
  return { ...map, kinds: new Set(['text']), default: undefined };
}

/** The fields of valibot's schemas that are read here; which of them exist depends on the type. */
interface SchemaFields {
  readonly type: string;
  readonly wrapped?: v.GenericSchema;
  readonly entries?: Readonly<Record<string, v.GenericSchema>>;
  readonly item?: v.GenericSchema;
  readonly options?: readonly (v.GenericSchema | string)[];
  readonly default?: unknown;
}

function shapeOf(schema: v.GenericSchema): Shape {
  const fields = schema as unknown as SchemaFields;
  if (fields.wrapped !== undefined) {
    return { ...shapeOf(fields.wrapped), default: fields.default };
  }
  const metadata = v.getMetadata(schema) as Partial<KeyMetadata>;
  const options = fields.options ?? [];
  return {
    kinds: kindsOf(fields),
    entries: new Map(Object.entries(fields.entries ?? {}).map(([key, entry]) => [key, shapeOf(entry)])),
    item: fields.item?.type === 'strict_object' ? shapeOf(fields.item) : undefined,
    choices: options.filter((option) => typeof option === 'string'),
    description: v.getDescription(schema) ?? '',
    form: metadata.form ?? '',
    secret: metadata.secret ?? false,
    default: undefined,
  };
}

function kindsOf(fields: SchemaFields): Set<Kind> {
  if (fields.type === 'union') {
    const options = (fields.options ?? []).filter((option) => typeof option !== 'string');
    return new Set(options.flatMap((option) => [...kindsOf(option as unknown as SchemaFields)]));
  }
  const kind = kinds[fields.type];
  if (kind === undefined)
    throw new Error(`the configuration schema uses "${fields.type}", which shape.ts does not know`);
  return new Set([kind]);
}

const kinds: Readonly<Record<string, Kind>> = {
  strict_object: 'section',
  record: 'map',
  array: 'list',
  string: 'text',
  picklist: 'text',
  number: 'number',
  boolean: 'boolean',
  literal: 'boolean',
};
