import * as v from 'valibot';
import type { Parsed } from './units.ts';

/** What a key says about itself beyond its type: `form` is how a value is written, `secret` hides it wherever it would be shown. */
export interface KeyMetadata {
  readonly form: string;
  readonly secret?: boolean;
}

/** Description and metadata stand before every transformation, because the JSON Schema describes what is written, not what it becomes. */
export function text(description: string, metadata: KeyMetadata = { form: 'text' }) {
  return v.pipe(v.string(MUST_BE_TEXT), v.description(description), v.metadata({ ...metadata }));
}

/** Text in some notation, read by `parse`. */
export function notation<T>(description: string, form: string, parse: (text: string) => Parsed<T>) {
  return v.pipe(
    v.string(form === 'duration' ? MUST_BE_DURATION : `must be text: ${form} (put it in quotes)`),
    v.description(description),
    v.metadata({ form }),
    read(parse),
  );
}

export function whole(description: string, min: number, max: number) {
  const message = `must be a whole number from ${min} to ${max}`;
  return v.pipe(
    v.number(message),
    v.integer(message),
    v.minValue(min, message),
    v.maxValue(max, message),
    v.description(description),
    v.metadata({ form: 'number' }),
  );
}

/** A size in bytes: a bare number, or text with a unit. */
export function size(description: string, parse: (text: string) => Parsed<number>) {
  const message = 'must be a size in bytes, such as 1500, 64k or 10M';
  return v.pipe(
    v.union([v.pipe(v.number(message), v.integer(message), v.minValue(0, message)), v.string(message)], message),
    v.description(description),
    v.metadata({ form: 'size' }),
    v.transform(String),
    read(parse),
  );
}

export function flag(description: string) {
  return v.pipe(v.boolean('must be true or false'), v.description(description), v.metadata({ form: 'true or false' }));
}

export function choice<const Options extends readonly string[]>(description: string, options: Options) {
  return v.pipe(
    v.picklist(options, `must be one of ${options.join(', ')}`),
    v.description(description),
    v.metadata({ form: options.join(', ') }),
  );
}

/** A list, where a single value may stand without brackets. */
export function listOf<Item extends v.GenericSchema<string, unknown>>(
  description: string,
  item: Item,
  metadata: KeyMetadata,
) {
  return v.pipe(
    v.union(
      [v.string(), v.array(v.string(MUST_BE_TEXT))],
      `must be ${metadata.form}, or a list of it (put quotes round numbers)`,
    ),
    v.description(description),
    v.metadata({ ...metadata }),
    v.transform((given): string[] => (typeof given === 'string' ? [given] : given)),
    v.array(item),
  );
}

/** A group of keys; every key has a default, so that the section may be left out or empty. */
export function section<const Entries extends v.ObjectEntries>(description: string, entries: Entries) {
  return v.pipe(v.strictObject(entries, 'must be a section of keys'), v.description(description));
}

/** For use in a list: reads one item. */
export function itemOf<T>(parse: (text: string) => Parsed<T>) {
  return v.pipe(v.string(MUST_BE_TEXT), read(parse));
}

const MUST_BE_DURATION = 'must be a duration: a whole number and a unit (500ms, 30s, 10m, 1h, 2d)';
const MUST_BE_TEXT = 'must be text (put quotes round numbers and dates)';

function read<T>(parse: (text: string) => Parsed<T>) {
  return v.rawTransform<string, T>(({ dataset, addIssue, NEVER }) => {
    const parsed = parse(dataset.value);
    if (parsed.ok) return parsed.value;
    addIssue({ message: parsed.reason });
    return NEVER;
  });
}
