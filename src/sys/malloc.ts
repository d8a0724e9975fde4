import { isForeignLoaded, loadLibrary } from './ffi.ts';

/**
 * Gives the system back what malloc holds and nobody uses. glibc does so by itself at the end of its heap only; musl has no such function, and need of
 * none. Nothing happens where foreign functions are not loaded yet: they would take as much as is to be had.
 */
export function trimMalloc(): void {
  if (!isForeignLoaded()) return;
  const library = loadLibrary<Trimming>([null], { malloc_trim: 'int malloc_trim(size_t pad)' });
  if (library.ok) library.functions.malloc_trim(0);
}

interface Trimming {
  malloc_trim(pad: number): number;
}
