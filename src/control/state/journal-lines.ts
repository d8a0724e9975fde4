import { readFileSync, statSync } from 'node:fs';
import { crc32 } from 'node:zlib';

/** Values by key, by service. */
export type KeptValues = ReadonlyMap<string, ReadonlyMap<string, object>>;

export interface JournalContent {
  readonly values: KeptValues;
  /** In one line: what of the file could not be used, and why. */
  readonly note?: string;
}

/** First line of the file. A version that this one does not know is left alone. */
export function headerLine(): string {
  return line({ culvert: 'clients', version: VERSION });
}

/** `value` undefined: the entry is gone. */
export function entryLine(service: string, key: string, value: object | undefined): string {
  return line(value === undefined ? [service, key] : [service, key, value]);
}

/**
 * What an earlier process wrote: later lines win. A file that is damaged is good up to there, since lines are written in the order in
 * which things happened; what it may be too old about ends by its own expiry. No file is nothing to tell of.
 */
export function readJournal(file: string): JournalContent {
  let content: Buffer;
  try {
    const stat = statSync(file);
    // A pipe would never end, and what nobody of us wrote need not fit into the memory.
    if ((!stat.isFile() && !stat.isDirectory()) || stat.size > MOST_BYTES)
      return { values: new Map(), note: `${file}: is no journal of ours: ${NOT_TAKEN}` };
    content = readFileSync(file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return { values: new Map() };
    return { values: new Map(), note: `${file}: cannot be read (${code}): ${NOT_TAKEN}` };
  }
  return readLines(file, content);
}

function readLines(file: string, content: Buffer): JournalContent {
  const values = new Map<string, Map<string, object>>();
  let number = 0;
  for (let start = 0; start < content.length; number++) {
    const end = content.indexOf(NEWLINE, start);
    const parsed = end === -1 ? undefined : parseLine(content, start, end);
    if (number === 0) {
      const fault = headerFault(parsed);
      if (fault !== undefined) return { values, note: `${file}: ${fault}: ${NOT_TAKEN}` };
    } else if (isEntry(parsed)) {
      apply(values, parsed);
    } else {
      const what = end === -1 ? 'ends within' : 'is damaged at';
      return { values, note: `${file}: ${what} line ${number + 1}: what stands before it is taken up` };
    }
    start = end + 1;
  }
  return number > 0 ? { values } : { values, note: `${file}: is empty: ${NOT_TAKEN}` };
}

function apply(values: Map<string, Map<string, object>>, [service, key, value]: Entry): void {
  let ofService = values.get(service);
  if (ofService === undefined) values.set(service, (ofService = new Map()));
  // Taken out first, so that entries stand in the order of their last change.
  ofService.delete(key);
  if (value !== undefined) ofService.set(key, value);
}

/** The sum is over the JSON alone, without the newline. */
function line(value: object): string {
  const json = JSON.stringify(value);
  return `${crc32(json).toString(16).padStart(SUM_CHARS, '0')} ${json}\n`;
}

function parseLine(content: Buffer, start: number, end: number): unknown {
  const json = content.subarray(start + SUM_CHARS + 1, end);
  const sum = content.toString('latin1', start, Math.min(end, start + SUM_CHARS + 1));
  if (!/^[0-9a-f]{8} $/.test(sum) || crc32(json) !== Number.parseInt(sum, 16)) return undefined;
  try {
    return JSON.parse(json.toString());
  } catch {
    return undefined;
  }
}

function headerFault(header: unknown): string | undefined {
  if (typeof header !== 'object' || header === null || !('culvert' in header)) return 'is damaged';
  const version = 'version' in header ? header.version : undefined;
  return version === VERSION ? undefined : `is of another version of Culvert (format ${String(version)})`;
}

type Entry = readonly [service: string, key: string, value?: object];

function isEntry(value: unknown): value is Entry {
  if (!Array.isArray(value) || typeof value[0] !== 'string' || typeof value[1] !== 'string') return false;
  return value.length === 2 || (value.length === 3 && typeof value[2] === 'object' && value[2] !== null);
}

const NOT_TAKEN = 'clients of an earlier run are not taken up';
/** Of half a million clients. */
const MOST_BYTES = 512 * 1024 * 1024;
const NEWLINE = 0x0a;
const SUM_CHARS = 8;
const VERSION = 1;
