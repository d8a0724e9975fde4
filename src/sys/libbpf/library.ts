import { errnoName, SystemError } from '../errno.ts';
import { type Absence, type Loaded, loadLibrary } from '../ffi.ts';

/** What is used of libbpf 1.x. Handles of libbpf's own (objects, programs, maps) are addresses; descriptors are ints. */
export interface Libbpf {
  libbpf_version_string(): string;
  libbpf_num_possible_cpus(): number;
  libbpf_set_print(print: number): number;
  bpf_object__open_mem(bytes: Uint8Array, length: number, options: Uint8Array | null): number;
  bpf_object__load(object: number): number;
  bpf_object__close(object: number): void;
  bpf_object__find_map_by_name(object: number, name: string): number;
  bpf_object__find_program_by_name(object: number, name: string): number;
  bpf_program__fd(program: number): number;
  bpf_program__set_log_buf(program: number, buffer: Uint8Array, length: number): number;
  bpf_map__fd(map: number): number;
  bpf_map__set_max_entries(map: number, entries: number): number;
  bpf_map__reuse_fd(map: number, fd: number): number;
  bpf_obj_get_info_by_fd(fd: number, info: Uint8Array, length: Uint8Array): number;
  bpf_map_create(
    type: number,
    name: string,
    key: number,
    value: number,
    entries: number,
    options: Uint8Array | null,
  ): number;
  bpf_map_lookup_elem(fd: number, key: Uint8Array, value: Uint8Array): number;
  bpf_map_update_elem(fd: number, key: Uint8Array, value: Uint8Array, flags: number): number;
  bpf_map_delete_elem(fd: number, key: Uint8Array): number;
  bpf_map_lookup_batch(
    fd: number,
    after: Uint8Array | null,
    next: Uint8Array,
    keys: Uint8Array,
    values: Uint8Array,
    count: Uint8Array,
    options: Uint8Array,
  ): number;
  bpf_map_update_batch(
    fd: number,
    keys: Uint8Array,
    values: Uint8Array,
    count: Uint8Array,
    options: Uint8Array,
  ): number;
  bpf_map_delete_batch(fd: number, keys: Uint8Array, count: Uint8Array, options: Uint8Array): number;
  bpf_link_create(program: number, target: number, type: number, options: Uint8Array): number;
  bpf_link_update(link: number, program: number, options: Uint8Array | null): number;
  bpf_link_detach(link: number): number;
  bpf_obj_pin(fd: number, path: string): number;
  bpf_obj_get(path: string): number;
  bpf_prog_test_run_opts(program: number, options: Uint8Array): number;
}

let loaded: Loaded<Libbpf> | undefined;

/** The library, looked for once, or why there is none. */
export function libbpf(): Loaded<Libbpf> {
  if (loaded === undefined) {
    loaded = loadLibrary<Libbpf>(['libbpf.so.1'], PROTOTYPES);
    // It would write to our standard error; what it has to say is in errno and in the verifier's log.
    if (loaded.ok) loaded.functions.libbpf_set_print(0);
  }
  return loaded;
}

/** For those who were told that it is there: throws LibbpfMissing otherwise. */
export function requiredLibbpf(): Libbpf {
  const answer = libbpf();
  if (!answer.ok) throw new LibbpfMissing(answer);
  return answer.functions;
}

/** Thrown by who uses libbpf without having asked `probeKernel`. */
class LibbpfMissing extends Error {
  override readonly name = 'LibbpfMissing';
  readonly code = 'CULVERT_LIBBPF_MISSING';

  constructor(absence: Absence) {
    super(`libbpf cannot be used (${absence.reason}): ${absence.detail}`);
  }
}

/** libbpf answers with a negative errno. Throws SystemError then. */
export function bpfChecked(call: string, result: number): number {
  if (result < 0) throw new SystemError(call, -result);
  return result;
}

/** A result of libbpf as the error that it is; undefined for success. */
export function bpfError(call: string, result: number): SystemError | undefined {
  return result < 0 ? new SystemError(call, -result) : undefined;
}

/** Loading was refused. `log` is the end of what the verifier said, when it was the verifier. */
export class BpfLoadError extends Error {
  override readonly name = 'BpfLoadError';
  readonly code: string;
  readonly log: string;

  constructor(number: number, log: string) {
    const code = errnoName(number);
    super(`the kernel did not take the program: ${code}${log === '' ? '' : `; ${lastLine(log)}`}`);
    this.code = code;
    this.log = log;
  }
}

/** Before its statistics the verifier says what was wrong. */
function lastLine(log: string): string {
  const lines = log.split('\n').filter((line) => line !== '' && !line.startsWith('processed '));
  return lines.at(-1) ?? '';
}

const PROTOTYPES: Readonly<Record<keyof Libbpf, string>> = {
  libbpf_version_string: 'const char *libbpf_version_string(void)',
  libbpf_num_possible_cpus: 'int libbpf_num_possible_cpus(void)',
  libbpf_set_print: 'uintptr_t libbpf_set_print(uintptr_t print)',
  bpf_object__open_mem: 'uintptr_t bpf_object__open_mem(const void *bytes, size_t length, const void *options)',
  bpf_object__load: 'int bpf_object__load(uintptr_t object)',
  bpf_object__close: 'void bpf_object__close(uintptr_t object)',
  bpf_object__find_map_by_name: 'uintptr_t bpf_object__find_map_by_name(uintptr_t object, const char *name)',
  bpf_object__find_program_by_name: 'uintptr_t bpf_object__find_program_by_name(uintptr_t object, const char *name)',
  bpf_program__fd: 'int bpf_program__fd(uintptr_t program)',
  bpf_program__set_log_buf: 'int bpf_program__set_log_buf(uintptr_t program, void *buffer, size_t length)',
  bpf_map__fd: 'int bpf_map__fd(uintptr_t map)',
  bpf_map__set_max_entries: 'int bpf_map__set_max_entries(uintptr_t map, uint32_t entries)',
  bpf_map__reuse_fd: 'int bpf_map__reuse_fd(uintptr_t map, int fd)',
  bpf_obj_get_info_by_fd: 'int bpf_obj_get_info_by_fd(int fd, void *info, void *length)',
  bpf_map_create:
    'int bpf_map_create(int type, const char *name, uint32_t key, uint32_t value, uint32_t entries, const void *options)',
  bpf_map_lookup_elem: 'int bpf_map_lookup_elem(int fd, const void *key, void *value)',
  bpf_map_update_elem: 'int bpf_map_update_elem(int fd, const void *key, const void *value, uint64_t flags)',
  bpf_map_delete_elem: 'int bpf_map_delete_elem(int fd, const void *key)',
  bpf_map_lookup_batch:
    'int bpf_map_lookup_batch(int fd, void *after, void *next, void *keys, void *values, void *count, const void *options)',
  bpf_map_update_batch:
    'int bpf_map_update_batch(int fd, const void *keys, const void *values, void *count, const void *options)',
  bpf_map_delete_batch: 'int bpf_map_delete_batch(int fd, const void *keys, void *count, const void *options)',
  bpf_link_create: 'int bpf_link_create(int program, int target, int type, const void *options)',
  bpf_link_update: 'int bpf_link_update(int link, int program, const void *options)',
  bpf_link_detach: 'int bpf_link_detach(int link)',
  bpf_obj_pin: 'int bpf_obj_pin(int fd, const char *path)',
  bpf_obj_get: 'int bpf_obj_get(const char *path)',
  bpf_prog_test_run_opts: 'int bpf_prog_test_run_opts(int program, void *options)',
};
