import type { Socket } from 'node:net';
import type { IdSource, SocketId } from '../../net/ids.ts';
import type { OpenResult } from '../../net/open-result.ts';
import type { Millis } from '../../net/time.ts';
import { EngineMisuse, type EngineSink, type TlsMaterial } from '../engine.ts';
import type { DropCounts } from './drop-counts.ts';
import { openFailed } from './error-names.ts';
import { StreamListener, type StreamListenSpec } from './stream-listener.ts';
import { Streams } from './streams.ts';

export interface StreamLimits {
  /** Bytes waiting on a stream from which droppable packets are dropped. Default 1 MiB. */
  readonly streamBufferLimit?: number;
  /** Bytes waiting on a stream that end it. Default 4 MiB. */
  readonly streamHardLimit?: number;
  /** How long a TLS handshake may take. Default 10 s. */
  readonly handshakeTimeout?: Millis;
}

/** The stream half of an engine, on node:net and node:tls: listeners by socket, and the streams that they and `connect` bring. */
export class StreamRoom {
  readonly streams: Streams;
  readonly #drops: DropCounts;
  readonly #listeners = new Map<SocketId, StreamListener>();
  /** Ids of listeners that are still being opened. */
  readonly #opening = new Set<SocketId>();
  readonly #handshakeTimeout: Millis | undefined;

  constructor(sink: EngineSink, ids: IdSource, drops: DropCounts, limits: StreamLimits) {
    this.#drops = drops;
    this.#handshakeTimeout = limits.handshakeTimeout;
    this.streams = new Streams({
      sink,
      ids,
      drops,
      softLimit: limits.streamBufferLimit ?? MIB,
      hardLimit: limits.streamHardLimit ?? 4 * MIB,
    });
  }

  /** Open, or being opened. */
  has(socket: SocketId): boolean {
    return this.#listeners.has(socket) || this.#opening.has(socket);
  }

  async listen(socket: SocketId, spec: StreamListenSpec): Promise<OpenResult> {
    this.#opening.add(socket);
    try {
      return await this.#open(socket, spec);
    } catch (error) {
      return openFailed(error);
    } finally {
      this.#opening.delete(socket);
    }
  }

  updateTls(socket: SocketId, tls: TlsMaterial): void {
    this.#listener(socket).updateTls(tls);
  }

  stopListening(socket: SocketId): Promise<void> {
    const listener = this.#listener(socket);
    this.#listeners.delete(socket);
    void listener.close();
    // The sink hears of each as it comes.
    return Promise.resolve();
  }

  /** With its streams. False when there is no such listener. */
  close(socket: SocketId): boolean {
    const opening = this.#opening.delete(socket);
    const listener = this.#listeners.get(socket);
    if (listener === undefined) return opening;
    this.#listeners.delete(socket);
    void listener.close();
    this.streams.endAllOf(socket);
    return true;
  }

  /** Everything; the sink hears no more. */
  async closeAll(): Promise<void> {
    this.#opening.clear();
    this.streams.abandon();
    const ended = [...this.#listeners.values()].map((listener) => listener.close());
    this.#listeners.clear();
    await Promise.all(ended);
  }

  async #open(id: SocketId, spec: StreamListenSpec): Promise<OpenResult> {
    const onStream = (socket: Socket): void => {
      // Accepted in the turn in which the listener was closed.
      if (this.#listeners.get(id) !== listener) socket.destroy();
      else this.streams.accept(socket, id, spec);
    };
    const listener = await StreamListener.create(spec, this.#drops, onStream, this.#handshakeTimeout);
    this.#listeners.set(id, listener);
    const result = await listener.bind(spec);
    if (result.ok && this.#opening.has(id)) return result;
    this.#listeners.delete(id);
    if (result.ok) {
      await listener.close();
      return { ok: false, failure: 'failed', detail: 'closed while it was being opened' };
    }
    return result;
  }

  #listener(socket: SocketId): StreamListener {
    const listener = this.#listeners.get(socket);
    if (listener === undefined) throw new EngineMisuse(`socket ${socket} is no stream listener`);
    return listener;
  }
}

const MIB = 1024 * 1024;
