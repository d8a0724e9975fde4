import type { EngineSink } from '../engine/engine.ts';

/**
 * Between an engine and those who hear of it. While it is held what comes from outside waits, datagrams up to a bound: whoever speaks to a
 * listener that is just open is heard when what was kept is restored, and is not told that nobody knows him. Answers to orders pass.
 */
export class WaitingRoom {
  readonly sink: EngineSink;
  #waiting: (() => void)[] | undefined = undefined;

  constructor(sink: EngineSink) {
    this.sink = {
      ...sink,
      datagram: (at, from, packet) => {
        if (this.#waiting === undefined) sink.datagram(at, from, packet);
        else if (this.#waiting.length < MOST) this.#admit(packet, (copy) => sink.datagram(at, from, copy));
      },
      streamOpened: (...what) => this.#admit(undefined, () => sink.streamOpened(...what)),
      standingPair: (pair) => this.#admit(undefined, () => sink.standingPair?.(pair)),
      standingTotals: (...what) => this.#admit(undefined, () => sink.standingTotals?.(...what)),
      streamData: (stream, chunk) => this.#admit(chunk, (copy) => sink.streamData(stream, copy)),
      streamClosed: (...what) => this.#admit(undefined, () => sink.streamClosed(...what)),
    };
  }

  hold(): void {
    this.#waiting ??= [];
  }

  release(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const hear of waiting) hear();
  }

  /** Buffers are valid during the call only: what waits is a copy. */
  #admit<Bytes extends Uint8Array | undefined>(bytes: Bytes, hear: (bytes: Bytes) => void): void {
    if (this.#waiting === undefined) {
      hear(bytes);
      return;
    }
    const copy = (bytes && new Uint8Array(bytes)) as Bytes;
    this.#waiting.push(() => hear(copy));
  }
}

/** Datagrams beyond are lost, as they are in a socket's full buffer. */
const MOST = 4096;
