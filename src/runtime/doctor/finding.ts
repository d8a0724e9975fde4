/** `problem`: something that is asked for does not work. `note`: it works, and could work better. */
export type Level = 'ok' | 'note' | 'problem';

export interface Finding {
  readonly subject: Subject;
  /** Which question was asked, for scripts: it stays the same whatever the answer is. */
  readonly name: string;
  readonly level: Level;
  readonly what: string;
  /** A command or a setting. */
  readonly fix?: string | undefined;
}

export type Subject =
  | 'engine'
  | 'kernel'
  | 'rights'
  | 'interfaces'
  | 'limits'
  | 'addresses'
  | 'ports'
  | 'firewall'
  | 'forward'
  | 'files'
  | 'clock';

/** Makes findings of one subject. */
export function about(subject: Subject): (name: string, level: Level, what: string, fix?: string) => Finding {
  return (name, level, what, fix) => ({ subject, name, level, what, ...(fix !== undefined && { fix }) });
}
