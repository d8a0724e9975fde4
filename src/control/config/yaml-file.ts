import { closeSync, openSync, readSync } from 'node:fs';
import type { Document, Node, Pair, YAMLError } from 'yaml';
import type { Fault, Origin } from './faults.ts';
import { makeSection, pathKey, type SettingsTree } from './settings-tree.ts';
import { shapeAt } from './shape.ts';

/** Lays a YAML file over the tree. The parser is loaded here and not at the top: an idle relay without a file saves 13 MB. */
export async function readYamlFile(file: string, tree: SettingsTree): Promise<Fault[]> {
  const source = readSource(file);
  if (!source.ok) return [{ origin: { kind: 'file', file, line: 0 }, path: [], message: source.reason }];

  const yaml = await import('yaml');
  const counter = new yaml.LineCounter();
  // The parser compares every key with all others of its section: Walk finds repeated keys in one pass.
  const document = yaml.parseDocument(source.text, { lineCounter: counter, prettyErrors: false, uniqueKeys: false });
  const at = (offset: number): Origin => ({ kind: 'file', file, line: counter.linePos(offset).line });
  const problems = [...document.errors, ...document.warnings];
  const faults = problems.map((one): Fault => ({ origin: at(one.pos[0]), path: [], message: explain(one) }));
  // After a syntax error nobody knows what belongs where: what else the file holds, or that line, would be guesses.
  if (document.errors.length > 0) return firstOfEachLine(faults);
  const walk = new Walk(yaml, document, at);
  const value = walk.contents();
  tree.set([], value, (path) => walk.origins.get(pathKey(path)) ?? at(0));
  return [...faults, ...walk.faults];
}

/** Deep, huge or self-referring input ends here, not in the stack or the heap. */
const MAX_BYTES = 1 << 20;
const MAX_DEPTH = 16;
const MAX_NODES = 100_000;

/** YAML nodes → plain values, with the line of each. */
class Walk {
  readonly origins = new Map<string, Origin>();
  readonly faults: Fault[] = [];
  readonly #yaml: typeof import('yaml');
  readonly #document: Document;
  readonly #at: (offset: number) => Origin;
  #nodes = 0;

  constructor(yaml: typeof import('yaml'), document: Document, at: (offset: number) => Origin) {
    this.#yaml = yaml;
    this.#document = document;
    this.#at = at;
  }

  contents(): unknown {
    const contents = this.#document.contents as Node | null;
    if (contents === null || (this.#yaml.isScalar(contents) && contents.value === null)) return makeSection();
    if (this.#yaml.isMap(contents)) return this.#value([], contents, contents, 0);
    this.#fault([], contents, 'must hold keys and values, such as "turn:"');
    return makeSection();
  }

  /** `at` is the node whose line counts: the key of a pair, also where the value stands further down. */
  #value(path: readonly string[], node: unknown, at: Node, depth: number): unknown {
    this.origins.set(pathKey(path), this.#originOf(at));
    if (this.#nodes++ >= MAX_NODES) {
      if (this.#nodes === MAX_NODES + 1) this.#fault(path, at, `is too much: a file may hold ${MAX_NODES} values`);
      return undefined;
    }
    if (depth > MAX_DEPTH) {
      this.#fault(path, at, 'is nested too deeply');
      return undefined;
    }
    if (this.#yaml.isAlias(node)) {
      const target = node.resolve(this.#document);
      if (target === undefined) this.#fault(path, at, explanations.BAD_ALIAS ?? '');
      return this.#value(path, target, at, depth + 1);
    }
    if (this.#yaml.isMap(node)) return this.#map(path, node.items, depth);
    if (this.#yaml.isSeq(node)) {
      return node.items.map((item, index) => {
        const itemAt = this.#yaml.isNode(item) ? item : at;
        return this.#value([...path, String(index)], item, itemAt, depth + 1);
      });
    }
    const value = this.#yaml.isScalar(node) ? node.value : null;
    return value === null && isGroup(path) ? makeSection() : value;
  }

  #map(path: readonly string[], pairs: readonly Pair[], depth: number): unknown {
    const section = makeSection();
    for (const { key, value } of pairs) {
      if (this.#yaml.isScalar(key)) {
        const name = String(key.value);
        if (Object.hasOwn(section, name)) this.#fault([], key, 'repeats a key of the same section (keep one of them)');
        section[name] = this.#value([...path, name], value, key, depth + 1);
      } else {
        this.#fault(path, this.#yaml.isNode(key) ? key : undefined, 'has a key that is not plain text');
      }
    }
    return section;
  }

  #fault(path: readonly string[], at: Node | undefined, message: string): void {
    this.faults.push({ origin: this.#originOf(at), path, message });
  }

  #originOf(node: Node | undefined): Origin {
    return this.#at(node?.range?.[0] ?? 0);
  }
}

/** "turn:" with nothing behind it is a section with every default. */
function isGroup(path: readonly string[]): boolean {
  const kinds = shapeAt(path)?.kinds;
  return kinds !== undefined && (kinds.has('section') || kinds.has('map'));
}

function firstOfEachLine(faults: readonly Fault[]): Fault[] {
  const seen = new Set<number>();
  return faults.filter(({ origin }) => {
    const line = origin.kind === 'file' ? origin.line : 0;
    return !seen.has(line) && seen.add(line);
  });
}

function explain({ code, message }: YAMLError): string {
  if (code === 'BAD_INDENT' && message.startsWith('Flow ')) return UNCLOSED;
  return explanations[code] ?? `is not valid YAML (${code.toLowerCase().replaceAll('_', ' ')})`;
}

const UNCLOSED = 'comes while a { or [ above is still open (close it, or indent this line)';

/** In words of our own: the parser's quote the source, which may be a secret. */
const explanations: Readonly<Record<string, string>> = {
  BAD_ALIAS: 'refers to an anchor that does not exist (put a value that begins with * in quotes)',
  TAG_RESOLVE_FAILED: 'has an unknown tag (put a value that begins with ! in quotes)',
  TAB_AS_INDENT: 'is indented with tabs (YAML wants spaces)',
  BAD_INDENT: 'is not indented as its section is',
  MISSING_CHAR: 'lacks a quote, comma or bracket (put values with [ ] { } : # in quotes, such as "udp://[::]:3478")',
  UNEXPECTED_TOKEN: 'has something that does not belong there (put values with [ ] { } : # in quotes)',
  MULTILINE_IMPLICIT_KEY:
    'has a key that goes over several lines (is a colon or a quote missing? put values with [ ] { } : # in quotes)',
  BLOCK_AS_IMPLICIT_KEY: 'has a section inside a line (put what comes after the colon on lines of its own)',
  MULTIPLE_DOCS: 'holds several documents (take out the --- between them)',
};

type Source = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly reason: string };

function readSource(file: string): Source {
  try {
    const bytes = readUpTo(file, MAX_BYTES + 1);
    if (bytes.length > MAX_BYTES)
      return { ok: false, reason: `is larger than ${MAX_BYTES >> 20} MiB (is it the right file?)` };
    return { ok: true, text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch (error) {
    if (error instanceof TypeError) return { ok: false, reason: 'is not UTF-8 text' };
    return { ok: false, reason: unreadable(error) };
  }
}

/** The beginning of a file, or all of it; also of one that has no size (a pipe) or no end (a device). */
function readUpTo(file: string, limit: number): Uint8Array {
  const chunks: Uint8Array[] = [];
  let total = 0;
  const descriptor = openSync(file, 'r');
  try {
    for (;;) {
      const chunk = new Uint8Array(Math.min(0x10000, limit - total));
      const length = readSync(descriptor, chunk);
      if (length === 0) return Buffer.concat(chunks);
      chunks.push(chunk.subarray(0, length));
      total += length;
    }
  } finally {
    closeSync(descriptor);
  }
}

/** Why a file cannot be read, in words. */
export function unreadable(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return 'there is no such file (check its path)';
  if (code === 'EACCES' || code === 'EPERM') return 'may not be read by this user (check its permissions)';
  if (code === 'EISDIR') return 'is a folder, not a file';
  return `cannot be read (${code ?? 'unknown error'})`;
}
