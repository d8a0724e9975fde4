import { addressOf } from '../ffi.ts';
import { bpfChecked, type Libbpf } from './library.ts';

/** A program that is loaded. Its descriptor belongs to the BpfObject that it came from. */
export class BpfProgram {
  readonly #libbpf: Libbpf;
  readonly fd: number;

  constructor(libbpf: Libbpf, fd: number) {
    this.#libbpf = libbpf;
    this.fd = bpfChecked('bpf_program__fd', fd);
  }

  /**
   * Runs it on one packet, without a network (BPF_PROG_TEST_RUN). XDP takes frames from 14 bytes to about 3.5 KB. Throws SystemError.
   * The packet is not put back between repeats.
   */
  testRun(packet: Uint8Array, options: TestRunOptions = {}): TestRun {
    const { repeat = 1, ifindex, live } = options;
    const out = Buffer.alloc(live === undefined ? packet.length + MAX_GROWTH : 0);
    const context = ifindex === undefined ? undefined : xdpContext(packet.length, ifindex);
    const run = Buffer.alloc(RUN_BYTES);
    run.writeBigUInt64LE(BigInt(RUN_BYTES), 0);
    run.writeBigUInt64LE(BigInt(addressOf(packet)), 8);
    if (out.length > 0) run.writeBigUInt64LE(BigInt(addressOf(out)), 16);
    run.writeUInt32LE(packet.length, 24);
    run.writeUInt32LE(out.length, 28);
    if (context !== undefined) {
      run.writeBigUInt64LE(BigInt(addressOf(context)), 32);
      run.writeUInt32LE(context.length, 48);
    }
    run.writeInt32LE(repeat, 60);
    if (live !== undefined) {
      run.writeUInt32LE(LIVE_FRAMES, 68);
      run.writeUInt32LE(live.batch, 76);
    }
    bpfChecked('bpf_prog_test_run_opts', this.#libbpf.bpf_prog_test_run_opts(this.fd, run));
    return {
      result: run.readUInt32LE(56),
      packet: out.subarray(0, run.readUInt32LE(28)),
      nanoseconds: run.readUInt32LE(64),
    };
  }
}

export interface TestRunOptions {
  /** Default 1. */
  readonly repeat?: number;
  /** The interface that it comes in by, of this network namespace. Default lo. */
  readonly ifindex?: number;
  /** The frames are really sent, redirected or handed to the stack, in batches of so many; nothing comes back. */
  readonly live?: { readonly batch: number };
}

export interface TestRun {
  /** What the program returned: XDP_PASS and so on. */
  readonly result: number;
  readonly packet: Uint8Array;
  /** For one run, on average. */
  readonly nanoseconds: number;
}

/** XDP verdicts, as `result` has them. */
export const XDP_DROP = 1;
export const XDP_PASS = 2;
export const XDP_TX = 3;
export const XDP_REDIRECT = 4;

/**
 * struct bpf_test_run_opts
 *   0 sz 8 | 8 data_in 8 | 16 data_out 8 | 24 data_size_in 4 | 28 data_size_out 4 | 32 ctx_in 8 | 40 ctx_out 8 | 48 ctx_size_in 4
 *   52 ctx_size_out 4 | 56 retval 4 | 60 repeat 4 | 64 duration 4 | 68 flags 4 | 72 cpu 4 | 76 batch_size 4
 */
const RUN_BYTES = 80;
/** BPF_F_TEST_XDP_LIVE_FRAMES */
const LIVE_FRAMES = 2;
const MAX_GROWTH = 256;

/** struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex. */
function xdpContext(length: number, ifindex: number): Buffer {
  const context = Buffer.alloc(24);
  context.writeUInt32LE(length, 4);
  context.writeUInt32LE(ifindex, 12);
  return context;
}
