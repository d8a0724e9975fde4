import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { DropCounts } from '../../../src/engine/portable/drop-counts.ts';
import { Streams } from '../../../src/engine/portable/streams.ts';
import { IdSource, type StreamId } from '../../../src/net/ids.ts';

const MIB = 1024 * 1024;
const PACKET = new Uint8Array(16 * 1024);

for (const [open, mostDroppable, mostOfAll] of [
  [1, MIB, 4 * MIB],
  [64, MIB, 4 * MIB],
  [1000, MIB / 16 + PACKET.length, MIB / 4],
  [10_000, MIB / 64, MIB / 16],
] as const) {
  test(`${open} streams that nobody reads hold a bounded part of the memory each`, () => {
    const rig = new SlowReaders(open);
    rig.fill(true, 200);
    assert.ok(rig.waiting <= mostDroppable * open, `${rig.waiting / open} bytes a stream`);
    assert.ok(rig.waiting >= (mostDroppable - PACKET.length) * open);
    rig.fill(false, 300);
    assert.ok(rig.waiting <= mostOfAll * open, `${rig.waiting / open} bytes a stream`);
    assert.equal(rig.gone, open, 'who takes not even answers is given up');
  });
}

/** Streams whose sockets keep all that is written. */
class SlowReaders {
  readonly #sockets: FakeSocket[] = [];
  readonly #ids: StreamId[] = [];
  readonly #streams: Streams;

  constructor(count: number) {
    const ids = new IdSource();
    const sink = {
      datagram: () => {},
      portOpened: () => {},
      flowIdle: () => {},
      streamOpened: (stream: StreamId) => void this.#ids.push(stream),
      streamData: () => {},
      streamClosed: () => {},
    };
    this.#streams = new Streams({ sink, ids, drops: new DropCounts(), softLimit: MIB, hardLimit: 4 * MIB });
    for (let n = 0; n < count; n++) {
      const socket = new FakeSocket();
      this.#sockets.push(socket);
      this.#streams.accept(socket as unknown as Socket, ids.socket());
    }
  }

  get waiting(): number {
    return this.#sockets.reduce((sum, { writableLength }) => sum + writableLength, 0);
  }

  get gone(): number {
    return this.#sockets.filter(({ writable }) => !writable).length;
  }

  fill(droppable: boolean, packets: number): void {
    for (const id of this.#ids) for (let n = 0; n < packets; n++) this.#streams.write(id, PACKET, droppable);
  }
}

class FakeSocket extends EventEmitter {
  readonly remoteAddress = '192.0.2.1';
  readonly remotePort = 40_000;
  writable = true;
  writableLength = 0;

  write(chunk: Uint8Array): void {
    this.writableLength += chunk.length;
  }

  /** Keeps its place, so that the shares do not grow while the test counts. */
  destroy(): void {
    this.writable = false;
  }
}
