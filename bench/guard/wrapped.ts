import { readFileSync } from 'node:fs';
import { uint32Key } from '../../src/engine/xdp/layout.ts';
import { BpfObject } from '../../src/sys/libbpf/object.ts';
import type { BpfProgram } from '../../src/sys/libbpf/program.ts';
import { median } from '../lib/stats.ts';

export interface WrappedRun {
  /** What the program returned the last time. */
  readonly result: number;
  /** Of the program alone: what putting the frame back costs is taken off. */
  readonly nanoseconds: number;
  /** That of both. */
  readonly whole: number;
}

/** A program run over and over on the same frame, or on frames of many flows, by bench/frames/wrap.bpf.c. */
export class Wrapped {
  readonly #object: BpfObject;
  readonly #wrap: BpfProgram;

  /** `object`: the wrapper, compiled. */
  constructor(object: string) {
    this.#object = BpfObject.open(readFileSync(object));
    this.#wrap = this.#object.load('wrap');
  }

  /** `flows`: a power of two; the sender is 10.0.0.0 + number then. Median of the rounds. */
  run(program: BpfProgram, frame: Buffer, { flows = 1, repeat = 1_000_000, rounds = 5 } = {}): WrappedRun {
    const next = this.#object.map('next');
    this.#object.map('.bss').update(uint32Key(0), planValue(frame, flows - 1));
    let result = 0;
    const times = Array.from({ length: rounds + 1 }, () => {
      const alone = this.#wrap.testRun(frame, { repeat }).nanoseconds;
      next.update(uint32Key(0), uint32Key(program.fd));
      const both = this.#wrap.testRun(frame, { repeat });
      next.delete(uint32Key(0));
      result = both.result;
      return { program: both.nanoseconds - alone, both: both.nanoseconds };
    }).slice(1);
    return {
      result,
      nanoseconds: median(times.map(({ program: own }) => own)),
      whole: median(times.map(({ both }) => both)),
    };
  }

  close(): void {
    this.#object.close();
  }
}

/** `plan` in wrap.bpf.c. */
function planValue(frame: Buffer, mask: number): Buffer {
  const value = Buffer.alloc(16 + HEAD_BYTES);
  value.writeUInt32LE(frame.length, 0);
  value.writeUInt32LE(mask, 4);
  frame.copy(value, 16, 0, HEAD_BYTES);
  return value;
}

const HEAD_BYTES = 96;
