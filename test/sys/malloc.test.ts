import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadLibrary } from '../../src/sys/ffi.ts';
import { trimMalloc } from '../../src/sys/malloc.ts';
import { missing } from '../requirements.ts';

const CHUNK = 1024;
const CHUNKS = 32_768;

test('what lies free between what is used goes back to the system', { skip: missing('glibc') }, () => {
  const libc = loadLibrary<{ calloc(count: number, size: number): number; free(address: number): void }>([null], {
    calloc: 'uintptr_t calloc(size_t count, size_t size)',
    free: 'void free(uintptr_t address)',
  });
  assert.ok(libc.ok, JSON.stringify(libc));
  const { calloc, free } = libc.functions;
  const chunks = Array.from({ length: CHUNKS }, () => calloc(1, CHUNK));
  const last = chunks.pop() ?? 0;
  for (const chunk of chunks) free(chunk);
  const before = process.memoryUsage.rss();
  trimMalloc();
  const given = before - process.memoryUsage.rss();
  free(last);
  assert.ok(given > (CHUNKS * CHUNK) / 2, `${given} bytes`);
});
