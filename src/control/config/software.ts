import * as v from 'valibot';

/** SOFTWARE is a text, or `false` for none (RFC 8489 section 14.14: fewer than 128 characters). */
export function choiceOfSoftware(description: string) {
  const message = 'must be text, or false';
  return v.pipe(
    v.union(
      [v.literal(false, message), v.pipe(v.string(message), v.maxLength(127, 'must be shorter than 128'))],
      message,
    ),
    v.description(description),
    v.metadata({ form: 'text or false' }),
    v.transform((given): string => (given === false ? '' : given)),
  );
}
