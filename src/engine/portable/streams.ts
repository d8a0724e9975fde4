import type { Socket } from 'node:net';
import type { IdSource, SocketId, StreamId } from '../../net/ids.ts';
import { type Millis, SECOND } from '../../net/time.ts';
import type { EngineSink } from '../engine.ts';
import type { DropCounts } from './drop-counts.ts';
import { MessageWriter } from './message-writer.ts';
import { remoteEndpoint } from './remote-endpoint.ts';

export interface StreamsParts {
  readonly sink: EngineSink;
  readonly ids: IdSource;
  readonly drops: DropCounts;
  /** Bytes waiting above which droppable packets are dropped; less where many streams are open. */
  readonly softLimit: number;
  /** Bytes waiting above which a stream is given up: its reader takes not even the answers. Shrinks along with softLimit. */
  readonly hardLimit: number;
}

/**
 * Accepted TCP and TLS connections, from the moment they can carry data.
 *
 *   accept ──▶ open ── closeStream ──▶ lingering (flushes, unknown to the service) ──▶ gone
 *               └───── peer, error, or hard limit ── streamClosed to the sink ──────▶ gone
 */
export class Streams {
  readonly #parts: StreamsParts;
  readonly #open = new Map<StreamId, OpenStream>();
  readonly #lingering = new Set<OpenStream>();

  constructor(parts: StreamsParts) {
    this.#parts = parts;
  }

  accept(socket: Socket, at: SocketId): void {
    const { sink, ids, drops } = this.#parts;
    // Reset and timed-out connections end in 'close' as well, which is where they are dealt with.
    socket.on('error', () => drops.add('engine', 'stream-error'));
    if (socket.remoteAddress === undefined || socket.remotePort === undefined) {
      socket.destroy();
      return;
    }
    const id = ids.stream();
    this.#open.set(id, { socket, writer: new MessageWriter(socket), at });
    socket.on('data', (chunk) => {
      if (this.#open.has(id)) sink.streamData(id, chunk);
    });
    socket.on('close', () => {
      if (this.#open.delete(id)) sink.streamClosed(id);
    });
    sink.streamOpened(id, at, remoteEndpoint(socket.remoteAddress, socket.remotePort));
  }

  write(id: StreamId, packet: Uint8Array, droppable: boolean): void {
    const { drops, softLimit, hardLimit } = this.#parts;
    const stream = this.#open.get(id);
    if (stream === undefined || !stream.socket.writable) {
      // It closed while the service was at work: the service hears of it, or has, by streamClosed.
      drops.add('engine', 'stream-gone');
      return;
    }
    const { socket, writer } = stream;
    const { waiting } = writer;
    const share = this.#share();
    if (droppable && waiting >= share) {
      drops.add('engine', 'slow-stream');
      return;
    }
    if (waiting + packet.length > share * (hardLimit / softLimit)) {
      drops.add('engine', 'stream-overflow');
      socket.destroy();
      return;
    }
    // Node may hold on to what it is given until the peer reads; the caller's packet is his again when we return.
    writer.write(Buffer.from(packet));
  }

  /** What is written still goes out, for LINGER at most; the sink hears no more of this stream. */
  close(id: StreamId): void {
    const stream = this.#open.get(id);
    if (stream === undefined) return;
    this.#open.delete(id);
    this.#lingering.add(stream);
    const { socket, writer } = stream;
    const timer = setTimeout(() => socket.destroy(), LINGER).unref();
    socket.once('close', () => {
      clearTimeout(timer);
      this.#lingering.delete(stream);
    });
    // Unread input would turn our end into a reset, and the peer could lose the last answer: so it is still read, by nobody.
    writer.end();
    socket.resume();
  }

  /** What one stream may have waiting: with many open, each gets its part of what all may have together. */
  #share(): number {
    return Math.min(this.#parts.softLimit, Math.max(TOTAL_LIMIT / this.#open.size, SHARE_MIN));
  }

  /** Ends the streams of one listener at once; the sink hears of each. */
  endAllOf(at: SocketId): void {
    for (const stream of [...this.#open.values(), ...this.#lingering]) {
      if (stream.at === at) stream.socket.destroy();
    }
  }

  /** Ends everything at once; the sink hears nothing. */
  abandon(): void {
    const streams = [...this.#open.values(), ...this.#lingering];
    this.#open.clear();
    for (const stream of streams) stream.socket.destroy();
  }
}

interface OpenStream {
  readonly socket: Socket;
  readonly writer: MessageWriter;
  readonly at: SocketId;
}

const LINGER: Millis = 5 * SECOND;
/**
 * Of droppable packets waiting on all streams. Clients that open many streams and read none would otherwise fill the memory; a reader
 * who is behind by more than a share is late for media anyway.
 */
const TOTAL_LIMIT = 64 * 1024 * 1024;
/** Room for some answers and a few packets, however many streams there are. */
const SHARE_MIN = 16 * 1024;
