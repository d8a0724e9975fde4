import { globSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

export interface SourceFile {
  /** From the root, with forward slashes. */
  readonly path: string;
  /** The folder below src. */
  readonly layer: string;
  readonly text: string;
}

/** Which layers each layer may import. `types` are layers of which it may know the types only. */
const LAYERS: Readonly<Record<string, { readonly code: readonly string[]; readonly types?: readonly string[] }>> = {
  net: { code: [] },
  wire: { code: ['net'] },
  flow: { code: ['net', 'wire'] },
  service: { code: ['net', 'wire', 'flow'] },
  sys: { code: ['net'] },
  engine: { code: ['net', 'wire', 'flow', 'sys'] },
  control: { code: ['net'], types: ['flow', 'service', 'engine'] },
  probe: { code: ['net', 'wire'] },
  runtime: { code: ['net', 'wire', 'flow', 'service', 'sys', 'engine', 'control'] },
  cli: { code: ['net', 'runtime', 'control', 'probe'] },
};

const PURE_LAYERS = new Set(['net', 'wire', 'flow', 'service']);
const IMPURE_GLOBALS =
  /\b(?:Date\.now|new Date\b|performance\.(?:now|timeOrigin)|process\.hrtime|setTimeout|setInterval|setImmediate|Math\.random|randomBytes|randomUUID|randomInt|getRandomValues)\b/;
const PURE_MODULES = new Set(['node:crypto', 'node:buffer', 'node:util', 'node:zlib']);
/** What the pure layers may take from npm: hashes and ciphers that node:crypto lacks (keyed BLAKE2s, XChaCha20-Poly1305). */
const PURE_PACKAGES = new Set<string>([]);
const MAX_LINES = 500;

export function sourceFiles(root: string): SourceFile[] {
  return globSync('src/**/*.ts', { cwd: root })
    .map((path) => path.replaceAll('\\', '/'))
    .sort()
    .map((path) => ({ path, layer: path.split('/')[1] ?? '', text: readFileSync(join(root, path), 'utf8') }));
}

/** Every rule that the file breaks, as sentences. */
export function faultsOf(file: SourceFile): string[] {
  return [...sizeFaults(file), ...importFaults(file), ...purityFaults(file)];
}

export interface Dependency {
  readonly specifier: string;
  readonly typeOnly: boolean;
}

export function dependenciesOf(text: string): Dependency[] {
  const found: { at: number; specifier: string; typeOnly: boolean }[] = [];
  const statement = /^(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?['"]([^'"]+)['"]/gm;
  for (const match of text.matchAll(statement)) {
    found.push({ at: match.index, specifier: match[2] ?? '', typeOnly: match[1] !== undefined });
  }
  for (const match of text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g)) {
    found.push({ at: match.index, specifier: match[1] ?? '', typeOnly: false });
  }
  return found.sort((a, b) => a.at - b.at).map(({ specifier, typeOnly }) => ({ specifier, typeOnly }));
}

function sizeFaults(file: SourceFile): string[] {
  const lines = file.text.split('\n').length;
  return lines > MAX_LINES ? [`${file.path}: ${lines} lines; a room has at most ${MAX_LINES}`] : [];
}

function importFaults(file: SourceFile): string[] {
  const rule = LAYERS[file.layer];
  if (rule === undefined) return [`${file.path}: src/${file.layer} is no layer of ARCHITECTURE.md`];
  const faults: string[] = [];
  for (const { specifier, typeOnly } of dependenciesOf(file.text)) {
    if (!specifier.startsWith('.')) {
      faults.push(...packageFaults(file, specifier));
      continue;
    }
    const target = posix.join(posix.dirname(file.path), specifier).split('/');
    const layer = target[0] === 'src' ? (target[1] ?? '') : target.join('/');
    if (layer === file.layer || rule.code.includes(layer)) continue;
    if (!rule.types?.includes(layer)) faults.push(`${file.path}: ${file.layer} may not import ${layer} (${specifier})`);
    else if (!typeOnly) faults.push(`${file.path}: ${file.layer} may import types only from ${layer} (${specifier})`);
  }
  return faults;
}

function packageFaults(file: SourceFile, specifier: string): string[] {
  if (!PURE_LAYERS.has(file.layer) || PURE_MODULES.has(specifier) || PURE_PACKAGES.has(specifier)) return [];
  return [`${file.path}: ${file.layer} is pure and may not import ${specifier}`];
}

function purityFaults(file: SourceFile): string[] {
  if (!PURE_LAYERS.has(file.layer)) return [];
  return file.text.split('\n').flatMap((line, index) => {
    const found = IMPURE_GLOBALS.exec(line.replace(/^\s*(?:\/\/|\/?\*).*$/, ''));
    return found === null
      ? []
      : [`${file.path}:${index + 1}: ${found[0]} in a pure layer; time and chance are arguments`];
  });
}
