import { errno } from '../ffi.ts';
import { BpfLoadError, bpfChecked, type Libbpf, requiredLibbpf } from './library.ts';
import { BpfMap } from './map.ts';
import { BpfProgram } from './program.ts';

/**
 * A compiled object (ELF) on its way into the kernel. Descriptors of its maps and programs live as long as it is open; whatever is pinned or
 * attached lives on.
 */
export class BpfObject {
  readonly #libbpf: Libbpf;
  #handle: number;

  private constructor(libbpf: Libbpf, handle: number) {
    this.#libbpf = libbpf;
    this.#handle = handle;
  }

  /** Throws BpfLoadError for bytes that are no such object. */
  static open(bytes: Uint8Array): BpfObject {
    const libbpf = requiredLibbpf();
    const handle = libbpf.bpf_object__open_mem(bytes, bytes.length, null);
    if (handle === 0) throw new BpfLoadError(errno(), '');
    return new BpfObject(libbpf, handle);
  }

  /** Before `load`: room for as many entries. */
  resize(map: string, entries: number): void {
    bpfChecked('bpf_map__set_max_entries', this.#libbpf.bpf_map__set_max_entries(this.#mapHandle(map), entries));
  }

  /** Before `load`: takes a map that is there already instead of a new one. The descriptor stays the caller's. */
  adopt(map: string, fd: number): void {
    bpfChecked('bpf_map__reuse_fd', this.#libbpf.bpf_map__reuse_fd(this.#mapHandle(map), fd));
  }

  /** Creates the maps and loads the program. Throws BpfLoadError, EPERM for instance without the right to. */
  load(program: string): BpfProgram {
    const handle = this.#libbpf.bpf_object__find_program_by_name(this.#handle, program);
    if (handle === 0) throw new BpfMisuse(`the object has no program ${program}`);
    const log = Buffer.alloc(LOG_BYTES);
    this.#libbpf.bpf_program__set_log_buf(handle, log, log.length);
    const result = this.#libbpf.bpf_object__load(this.#handle);
    if (result < 0) throw new BpfLoadError(-result, log.subarray(0, Math.max(0, log.indexOf(0))).toString());
    return new BpfProgram(this.#libbpf, this.#libbpf.bpf_program__fd(handle));
  }

  /** After `load`. */
  map(name: string): BpfMap {
    return BpfMap.of(this.#libbpf.bpf_map__fd(this.#mapHandle(name)));
  }

  close(): void {
    if (this.#handle !== 0) this.#libbpf.bpf_object__close(this.#handle);
    this.#handle = 0;
  }

  #mapHandle(name: string): number {
    const map = this.#libbpf.bpf_object__find_map_by_name(this.#handle, name);
    if (map === 0) throw new BpfMisuse(`the object has no map ${name}`);
    return map;
  }
}

export class BpfMisuse extends Error {
  override readonly name = 'BpfMisuse';
  readonly code = 'CULVERT_BPF_MISUSE';
}

/** The end of a refusal is what one wants to read. A log that does not fit is no error of a program that is taken. */
const LOG_BYTES = 1 << 20;
