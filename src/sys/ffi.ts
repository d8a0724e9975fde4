import { createRequire } from 'node:module';
import type { LibraryHandle } from 'koffi';

/**
 * The one file that names koffi, so that another FFI can take its place. It is loaded when the first library is: an engine that calls
 * nothing foreign neither needs it nor pays its memory.
 */
export type Loaded<T> = { readonly ok: true; readonly functions: T } | ({ readonly ok: false } & Absence);

/** Why foreign functions cannot be had on this machine. */
export interface Absence {
  readonly reason: 'machine' | 'no-ffi' | 'no-library' | 'no-function';
  /** For people: what was looked for, and what the system said. */
  readonly detail: string;
}

/** Functions by name, as a caller types them. Addresses are plain numbers (`uintptr_t`), buffers go as `void *`. */
type Functions<T> = { readonly [Name in keyof T]: (...args: never[]) => unknown };

/**
 * Loads the first of `names` that is there; null stands for what the process itself links, which is how libc is had whether it is glibc
 * or musl. `prototypes`: a C declaration for each function, e.g. "int close(int fd)". The types of `T` are the caller's word for them.
 */
export function loadLibrary<T extends Functions<T>>(
  names: readonly (string | null)[],
  prototypes: { readonly [Name in keyof T]: string },
): Loaded<T> {
  if (process.platform !== 'linux' || !MACHINES.has(process.arch)) {
    return absent('machine', `no layouts for ${process.platform} on ${process.arch}`);
  }
  const ffi = foreign();
  if (ffi instanceof Error) return absent('no-ffi', `koffi cannot be loaded: ${firstLine(ffi.message)}`);
  const library = firstOf(ffi, names);
  if (typeof library === 'string') return absent('no-library', library);
  const functions: Record<string, unknown> = {};
  for (const [name, prototype] of Object.entries<string>(prototypes)) {
    try {
      functions[name] = library.func(prototype);
    } catch (error) {
      return absent('no-function', `${name}: ${messageOf(error)}`);
    }
  }
  return { ok: true, functions: functions as T };
}

export function isForeignLoaded(): boolean {
  return loaded !== undefined && !(loaded instanceof Error);
}

/** errno of this thread after a call that failed; good until the next call. */
export function errno(): number {
  return loadedForeign().errno();
}

/** Where the bytes lie. Nothing is kept alive by it: whoever gives the address away must hold the buffer for as long as it is used. */
export function addressOf(bytes: ArrayBufferView | ArrayBufferLike): number {
  // User-space addresses have 47 bits, 56 at most, of which the kernel gives those above 47 only to who asks for them.
  return Number(loadedForeign().address(bytes));
}

/** Memory that somebody else gave us, such as a mapping: good for as long as he keeps it. */
export function memoryAt(address: number, size: number): ArrayBuffer {
  return loadedForeign().view(BigInt(address), size);
}

type Foreign = typeof import('koffi');

let loaded: Foreign | Error | undefined;

function foreign(): Foreign | Error {
  if (loaded === undefined) {
    try {
      loaded = createRequire(import.meta.url)('koffi') as Foreign;
    } catch (error) {
      loaded = error instanceof Error ? error : new Error(String(error));
    }
  }
  return loaded;
}

function loadedForeign(): Foreign {
  const ffi = foreign();
  if (ffi instanceof Error) throw ffi;
  return ffi;
}

/** A library, or what each attempt said. */
function firstOf(ffi: Foreign, names: readonly (string | null)[]): LibraryHandle | string {
  const attempts: string[] = [];
  for (const name of names) {
    try {
      return ffi.load(name);
    } catch (error) {
      attempts.push(`${name ?? 'libc'}: ${messageOf(error)}`);
    }
  }
  return attempts.join('; ');
}

function absent(reason: Absence['reason'], detail: string): { readonly ok: false } & Absence {
  return { ok: false, reason, detail };
}

/** Node adds who asked for the module. */
function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** 64 bits, little-endian, and of one layout of the kernel's structs. */
const MACHINES: ReadonlySet<string> = new Set(['x64', 'arm64', 'riscv64', 'loong64']);
