import { rootShape, type Shape } from './shape.ts';
import { variableOf } from './text-sources.ts';

/** The reference page of the documentation, in Markdown: one table a section, made from the schema. */
export function configReference(): string {
  return `${[INTRODUCTION, ...sections(rootShape(), [])].join('\n\n')}\n`;
}

const INTRODUCTION = `# Configuration

<!-- Generated from the schema in src/control/config by "npm run docs". Change the schema, not this page. -->

Settings come from four places; each wins over those before it:

1. defaults,
2. the YAML file of \`culvert up --config FILE\`,
3. environment variables: \`CULVERT_\` and the key's path in upper snake case,
4. \`--set path=value\`, as often as needed.

In variables and \`--set\`, items of lists are separated by commas (or written as a JSON array), maps are JSON objects.
Durations have a unit (\`500ms\`, \`30s\`, \`10m\`, \`1h\`, \`2d\`), sizes may have one (\`1500\`, \`64k\`, \`10M\`, \`1Gi\`).
Paths in a file are relative to the file's folder, elsewhere to the working directory.

TURN is on when the section \`turn\` exists, and when there is no file. Where it has neither users nor a secret nor a stamp secret,
a user and a secret are generated, printed, and kept in the state folder. The WireGuard relay is on in the same
way and needs no secret; so is the pair relay, with a generated secret
where neither \`pair.secret\` nor \`UDP_RELAY_SECRET_KEY\` names one.

Sections may name the very same UDP listener: what comes there is told apart by its first bytes.

\`culvert config check FILE\` lists every fault of a file, \`culvert config print\` shows what holds with secrets masked,
\`culvert config schema\` prints the JSON Schema for editors.`;

function* sections(shape: Shape, path: readonly string[]): Generator<string> {
  const entries = [...shape.entries].filter(([, entry]) => !entry.kinds.has('section'));
  if (path.length > 0) yield [`## ${path.join('.')}`, shape.description].filter((text) => text !== '').join('\n\n');
  if (entries.length > 0) {
    const rows = entries.map(([key, entry]) => row([...path, key], entry));
    yield ['| key | value | default | variable |', '|---|---|---|---|', ...rows].join('\n');
  }
  for (const [key, entry] of shape.entries) {
    if (entry.kinds.has('section')) yield* sections(entry, [...path, key]);
    if (entry.item !== undefined) yield* sections(entry.item, [...path, `${key}[]`]);
  }
}

function row(path: readonly string[], shape: Shape): string {
  const form = shape.kinds.has('list') ? `list of ${shape.form}` : shape.form;
  const cells = [
    `\`${path.join('.')}\``,
    `${shape.description} *${form}*`,
    written(shape.default),
    path.some((key) => key.endsWith('[]')) ? '–' : `\`${variableOf(path)}\``,
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function written(value: unknown): string {
  if (value === undefined) return '–';
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map((item) => `\`${item}\``).join(', ');
  return typeof value === 'object' ? 'none' : `\`${value}\``;
}
