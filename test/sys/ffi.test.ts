import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checked, errnoName, SystemError } from '../../src/sys/errno.ts';
import { addressOf, errno, loadLibrary } from '../../src/sys/ffi.ts';
import { missing } from '../requirements.ts';

const ffi = { skip: missing('ffi') };

test('a function of libc is called, and its errno has a name', ffi, () => {
  const libc = loadLibrary<{ close(fd: number): number; getpid(): number }>([null], {
    close: 'int close(int fd)',
    getpid: 'int getpid()',
  });
  assert.ok(libc.ok, JSON.stringify(libc));
  assert.equal(libc.functions.getpid(), process.pid);
  assert.equal(libc.functions.close(-1), -1);
  assert.equal(errnoName(errno()), 'EBADF');
  libc.functions.close(-1);
  assert.throws(
    () => checked('close', -1),
    (error) => error instanceof SystemError && error.code === 'EBADF' && error.syscall === 'close',
  );
});

test('an address is where the bytes are, also of shared ones', ffi, () => {
  const libc = loadLibrary<{ memcpy(to: number, from: number, size: number): number }>([null], {
    memcpy: 'uintptr_t memcpy(uintptr_t to, uintptr_t from, size_t size)',
  });
  assert.ok(libc.ok);
  const from = new Uint8Array(new SharedArrayBuffer(8)).fill(7);
  const to = new Uint8Array(new ArrayBuffer(4096), 100);
  assert.equal(libc.functions.memcpy(addressOf(to), addressOf(from.subarray(1)), 2), addressOf(to));
  assert.deepEqual([...to.subarray(0, 3)], [7, 7, 0]);
});

test('what is not there is an answer with a reason', ffi, () => {
  const library = loadLibrary<{ f(): void }>(['libnowhere.so.9', 'libneither.so'], { f: 'void f()' });
  assert.equal(library.ok ? '' : library.reason, 'no-library');
  assert.match(library.ok ? '' : library.detail, /libnowhere.*libneither/);
  const name = loadLibrary<{ nothing_of_that_name(): void }>([null], {
    nothing_of_that_name: 'void nothing_of_that_name()',
  });
  assert.equal(name.ok ? '' : name.reason, 'no-function');
});

test('errors have the names that Node gives them', () => {
  assert.equal(errnoName(11), 'EAGAIN');
  assert.equal(errnoName(4095), 'errno 4095');
});

test('without koffi the answer says so', () => {
  const path = fileURLToPath(new URL('../../src/sys/ffi.ts', import.meta.url));
  const program = `
    const { registerHooks } = await import('node:module');
    registerHooks({ resolve: (name, context, next) => {
      if (name === 'koffi') throw new Error('not installed');
      return next(name, context);
    } });
    const { loadLibrary } = await import(${JSON.stringify(path)});
    console.log(JSON.stringify(loadLibrary([null], {})));`;
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  const answer = JSON.parse(run.stdout);
  assert.equal(answer.ok, false, run.stderr);
  assert.equal(answer.reason, 'no-ffi');
  assert.match(answer.detail, /not installed/);
});
