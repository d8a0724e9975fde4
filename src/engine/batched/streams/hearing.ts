import type { IdSource, SocketId } from '../../../net/ids.ts';
import { SystemError } from '../../../sys/errno.ts';
import type { EngineSink } from '../../engine.ts';
import { connectFailed } from '../../portable/error-names.ts';
import type { RingReader } from '../ring.ts';
import type { Answers } from './answers.ts';
import type { BoundListeners } from './bound-listeners.ts';
import type { Gathering } from './gathering.ts';
import { endsIn, type HeldStream, refusalIn } from './held-stream.ts';
import type { HeldStreams } from './held-streams.ts';
import type { WorkerLink } from './link.ts';
import { OPENED_BYTES, OPENED_TAG, REPORT } from './messages.ts';

export interface HearingParts {
  readonly sink: EngineSink;
  readonly ids: IdSource;
  readonly listeners: BoundListeners;
  readonly streams: HeldStreams;
  readonly gathering: Gathering;
  /** Of questions whether everybody is known of. */
  readonly told: Answers;
  /** A worker is at work. */
  readonly begun: () => void;
}

/** What workers report, as the sink is told of it. */
export class Hearing {
  readonly #parts: HearingParts;

  constructor(parts: HearingParts) {
    this.#parts = parts;
  }

  hear(link: WorkerLink, ring: RingReader): void {
    const { kind, id, body } = ring;
    const { sink, listeners, told, begun } = this.#parts;
    switch (kind) {
      case REPORT.opened:
        this.#opened(link, id, ring);
        return;
      case REPORT.pair:
        this.#paired(link, id, ring);
        return;
      case REPORT.totals: {
        const [connections, toUpstream, toClient] = [ring.number(body), ring.number(body + 8), ring.number(body + 16)];
        sink.standingTotals?.(id as SocketId, { connections, toUpstream, toClient });
        return;
      }
      case REPORT.begun:
        begun();
        return;
      case REPORT.unlistened:
        listeners.left(id as SocketId, link);
        return;
      case REPORT.told:
        told.answered(id, link);
        return;
      default:
        this.#hearOf(link, this.#parts.streams.of(link, id), ring);
    }
  }

  /** Of one stream; undefined when it was closed meanwhile. */
  #hearOf(link: WorkerLink, stream: HeldStream | undefined, ring: RingReader): void {
    const { kind, body } = ring;
    const { sink, gathering } = this.#parts;
    if (kind === REPORT.released) {
      if (!gathering.released(link, stream, ring.number(body)) && stream !== undefined) this.#closed(stream, 0, false);
      return;
    }
    if (stream === undefined) return;
    switch (kind) {
      case REPORT.connected:
        this.#connected(stream, ring.number(body), ring.number(body + 8));
        return;
      case REPORT.data:
        sink.streamData(stream.id, ring.bytes.subarray(body + 8, body + 8 + ring.word(body)));
        return;
      case REPORT.closed:
        this.#closed(stream, ring.number(body), ring.number(body + 8) === 1);
    }
  }

  #opened(link: WorkerLink, handle: number, ring: RingReader): void {
    const listener = this.#parts.listeners.known(ring.number(ring.body) as SocketId);
    // Closed meanwhile with all that it had.
    if (listener === undefined) {
      link.close(handle);
      return;
    }
    const stream = this.#adopt(link, handle, listener.id, 'held', ring.number(ring.body + 8));
    const { from, local } = endsIn(ring, listener.local);
    this.#parts.sink.streamOpened(stream.id, listener.id, from, local, refusalIn(ring));
  }

  /** A client and his upstream, whom a standing decision joined. */
  #paired(link: WorkerLink, handle: number, ring: RingReader): void {
    const listener = this.#parts.listeners.known(ring.number(ring.body) as SocketId);
    // Closed meanwhile with all that it had.
    if (listener === undefined) return;
    const { id: at } = listener;
    const { id: client } = this.#adopt(link, handle, at, 'joined', ring.number(ring.body + 8));
    const more = ring.body + OPENED_BYTES;
    const { id: upstream } = this.#adopt(link, ring.number(more), undefined, 'joined', ring.number(more + 8));
    const tag = ring.word(ring.body + OPENED_TAG);
    this.#parts.sink.standingPair?.({ at, client, upstream, ...endsIn(ring, listener.local), tag });
  }

  #adopt(
    link: WorkerLink,
    handle: number,
    at: SocketId | undefined,
    state: HeldStream['state'],
    descriptor: number,
  ): HeldStream {
    const id = this.#parts.ids.stream();
    const stream: HeldStream = { id, handle, link, at, state, descriptor, client: undefined };
    this.#parts.streams.add(stream);
    return stream;
  }

  #connected(stream: HeldStream, errno: number, descriptor: number): void {
    const { sink, streams, gathering } = this.#parts;
    if (errno !== 0) {
      streams.forget(stream);
      gathering.forget(stream);
      sink.streamConnected(stream.id, connectFailed(new SystemError('connect', errno)));
      return;
    }
    stream.state = 'held';
    stream.descriptor = descriptor;
    if (stream.client !== undefined) {
      stream.state = 'joined';
      stream.client.state = 'joined';
    }
    sink.streamConnected(stream.id, { ok: true });
  }

  #closed(stream: HeldStream, bytes: number, clean: boolean): void {
    const { sink, streams, gathering } = this.#parts;
    streams.forget(stream);
    gathering.forget(stream);
    sink.streamClosed(stream.id, { bytes, clean });
  }
}
