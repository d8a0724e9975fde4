import { closeSync } from 'node:fs';
import { bpfChecked, type Libbpf, requiredLibbpf } from './library.ts';
import type { BpfProgram } from './program.ts';

export type XdpMode = 'native' | 'generic';

/** A program on an interface, for as long as somebody holds this link: an open descriptor, or a pin. */
export class XdpLink {
  readonly #libbpf: Libbpf;
  #fd: number;

  private constructor(libbpf: Libbpf, fd: number) {
    this.#libbpf = libbpf;
    this.#fd = fd;
  }

  /** Throws SystemError: EOPNOTSUPP or EINVAL where a driver has no native XDP, EBUSY where another program is. */
  static attach(program: BpfProgram, ifindex: number, mode: XdpMode): XdpLink {
    const libbpf = requiredLibbpf();
    const fd = libbpf.bpf_link_create(program.fd, ifindex, BPF_XDP, linkOptions(MODE_FLAGS[mode]));
    return new XdpLink(libbpf, bpfChecked('bpf_link_create', fd));
  }

  /** One that is pinned. Throws SystemError: ENOENT where there is none. */
  static pinned(path: string): XdpLink {
    const libbpf = requiredLibbpf();
    return new XdpLink(libbpf, bpfChecked('bpf_obj_get', libbpf.bpf_obj_get(path)));
  }

  /** The interface; 0 when that is gone, and the link attached to nothing. */
  get ifindex(): number {
    const info = Buffer.alloc(LINK_INFO_BYTES);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(info.length);
    bpfChecked('bpf_obj_get_info_by_fd', this.#libbpf.bpf_obj_get_info_by_fd(this.#fd, info, length));
    return info.readUInt32LE(LINK_INFO_XDP);
  }

  get fd(): number {
    return this.#fd;
  }

  /** Another program in its place, between two packets. */
  update(program: BpfProgram): void {
    bpfChecked('bpf_link_update', this.#libbpf.bpf_link_update(this.#fd, program.fd, null));
  }

  /** Takes the program off the interface here and now, whoever holds the link; without this it goes some time after the last of them. */
  detach(): void {
    this.#libbpf.bpf_link_detach(this.#fd);
    this.close();
  }

  /** Lets go. */
  close(): void {
    if (this.#fd !== CLOSED) closeSync(this.#fd);
    this.#fd = CLOSED;
  }
}

/** Keeps what a descriptor stands for under a path of a bpf file system. Unpin by removing the file. Throws SystemError. */
export function pin(fd: number, path: string): void {
  bpfChecked('bpf_obj_pin', requiredLibbpf().bpf_obj_pin(fd, path));
}

/** A descriptor, which the caller closes, of what is pinned there. Throws SystemError. */
export function openPinned(path: string): number {
  return bpfChecked('bpf_obj_get', requiredLibbpf().bpf_obj_get(path));
}

const CLOSED = -1;
/** enum bpf_attach_type */
const BPF_XDP = 37;
/** XDP_FLAGS_DRV_MODE and XDP_FLAGS_SKB_MODE. */
const MODE_FLAGS: Readonly<Record<XdpMode, number>> = { native: 1 << 2, generic: 1 << 1 };

/** struct bpf_link_info: type 4, id 4, prog_id 4, 4 of padding, then for XDP ifindex 4. */
const LINK_INFO_BYTES = 64;
const LINK_INFO_XDP = 16;

/** struct bpf_link_create_opts: size, flags, and what other kinds of links want. */
function linkOptions(flags: number): Buffer {
  const options = Buffer.alloc(16);
  options.writeBigUInt64LE(16n, 0);
  options.writeUInt32LE(flags, 8);
  return options;
}
