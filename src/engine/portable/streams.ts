import { connect as connectSocket, type Socket } from 'node:net';
import type { Endpoint } from '../../net/endpoint.ts';
import type { IdSource, SocketId, StreamId } from '../../net/ids.ts';
import { type KeepAlive, type StreamEnd, UNIX_ENDPOINT } from '../../net/stream-target.ts';
import { type Millis, SECOND } from '../../net/time.ts';
import { type ConnectSpec, EngineMisuse, type EngineSink, type JoinSpec, type TrafficCount } from '../engine.ts';
import type { DropCounts } from './drop-counts.ts';
import { connectFailed } from './error-names.ts';
import { adopt, Intake } from './intake.ts';
import { MessageWriter } from './message-writer.ts';
import { ReadBuffers } from './read-buffers.ts';
import { remoteEndpoint } from './remote-endpoint.ts';
import type { StreamListenSpec } from './stream-listener.ts';
import { StreamTraffic } from './traffic.ts';

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
 * TCP and TLS connections, from the moment they can carry data; those that we make ourselves from the moment they are asked for.
 *
 *   accept ──▶ open ── closeStream ──▶ lingering (flushes, unknown to the service) ──▶ gone
 *              ▲ └───── peer, error, or hard limit ── streamClosed to the sink ──────▶ gone
 *   connect ───┘
 *
 * A held stream is read only when somebody asks: one chunk by read(), everything from join() on.
 */
export class Streams {
  readonly #parts: StreamsParts;
  readonly #open = new Map<StreamId, OpenStream>();
  readonly #connecting = new Map<StreamId, Socket>();
  readonly #lingering = new Set<OpenStream>();
  readonly #traffic = new StreamTraffic();
  readonly #buffers = new ReadBuffers();

  constructor(parts: StreamsParts) {
    this.#parts = parts;
  }

  accept(accepted: Socket, at: SocketId, spec: StreamListenSpec): void {
    const { sink, ids, drops } = this.#parts;
    const held = spec.transport === 'unix' || (spec.transport === 'tcp' && spec.held === true);
    const intake = held ? new Intake(this.#buffers) : undefined;
    const socket = intake === undefined ? accepted : adopt(accepted, intake);
    // Reset and timed-out connections end in 'close' as well, which is where they are dealt with.
    socket.on('error', () => drops.add('engine', 'stream-error'));
    const ends = endsOf(socket, spec);
    if (ends === undefined) {
      socket.destroy();
      return;
    }
    const id = ids.stream();
    if (spec.transport === 'tcp' && spec.keepAlive !== undefined) keepAlive(socket, spec.keepAlive);
    this.#adopt(id, socket, at, intake);
    if (!held) {
      socket.on('data', (chunk) => {
        if (this.#open.has(id)) sink.streamData(id, chunk);
      });
    }
    sink.streamOpened(id, at, ends.remote, ends.local);
  }

  connect(id: StreamId, spec: ConnectSpec): void {
    const { sink, drops } = this.#parts;
    if (this.#open.has(id) || this.#connecting.has(id)) throw new EngineMisuse(`stream ${id} is in use`);
    const intake = new Intake(this.#buffers);
    const socket = connectSocket({ ...placeOf(spec), ...intake.options, noDelay: true });
    // Data that comes at once waits in the kernel, like that of accepted streams.
    socket.pause();
    this.#connecting.set(id, socket);
    const fail = (error: unknown): void => {
      if (!this.#connecting.delete(id)) return;
      clearTimeout(timer);
      socket.destroy();
      sink.streamConnected(id, connectFailed(error));
    };
    const timer = setTimeout(() => fail(timedOut()), spec.timeout);
    socket.once('error', fail);
    socket.once('close', () => clearTimeout(timer));
    socket.once('connect', () => {
      clearTimeout(timer);
      if (!this.#connecting.delete(id)) return;
      socket.on('error', () => drops.add('engine', 'stream-error'));
      if (spec.keepAlive !== undefined && !('path' in spec.to)) keepAlive(socket, spec.keepAlive);
      this.#adopt(id, socket, undefined, intake);
      if (spec.join !== undefined) {
        if (spec.join.first.length > 0) this.write(id, spec.join.first, false);
        this.join(spec.join.with, id, spec.join);
      }
      sink.streamConnected(id, { ok: true });
    });
  }

  read(id: StreamId): void {
    const stream = this.#open.get(id);
    // Gone meanwhile: the service hears of it, or has.
    if (stream === undefined) return;
    const { socket, intake } = stream;
    if (intake === undefined || stream.partner !== undefined) throw new EngineMisuse(`stream ${id} is not held`);
    const finish = (): unknown => socket.destroy();
    intake.handTo((chunk) => {
      socket.removeListener('end', finish);
      socket.pause();
      if (this.#open.has(id)) this.#parts.sink.streamData(id, chunk);
      return false;
    });
    socket.once('end', finish);
    socket.resume();
  }

  join(a: StreamId, b: StreamId, { service, idle }: JoinSpec): void {
    const [first, second] = [this.#open.get(a), this.#open.get(b)];
    if (first === undefined || second === undefined) {
      (first ?? second)?.socket.destroy();
      return;
    }
    const [intake, otherIntake] = [freeIntake(first), freeIntake(second)];
    if (intake === undefined || otherIntake === undefined || first === second) {
      throw new EngineMisuse(`streams ${a} and ${b} cannot be joined`);
    }
    first.partner = second;
    second.partner = first;
    move(intake, first, second, this.#traffic.of(service, 'to_peer'));
    move(otherIntake, second, first, this.#traffic.of(service, 'to_client'));
    // A byte that moves is activity on both: one clock is enough.
    if (idle > 0) first.socket.setTimeout(idle, () => first.socket.destroy());
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

  /** What is written still goes out, for LINGER at most; the sink hears no more of this stream. A joined one is cut, with its other end. */
  close(id: StreamId): void {
    const connecting = this.#connecting.get(id);
    this.#connecting.delete(id);
    connecting?.destroy();
    const stream = this.#open.get(id);
    if (stream === undefined) return;
    this.#open.delete(id);
    const { socket, writer } = stream;
    if (stream.partner !== undefined) {
      socket.destroy();
      return;
    }
    this.#lingering.add(stream);
    const timer = setTimeout(() => socket.destroy(), LINGER).unref();
    socket.once('close', () => {
      clearTimeout(timer);
      this.#lingering.delete(stream);
    });
    // Unread input would turn our end into a reset, and the peer could lose the last answer: so it is still read, by nobody.
    writer.end();
    socket.resume();
  }

  bytesOf(id: StreamId): number | undefined {
    return this.#open.get(id)?.bytes;
  }

  traffic(): TrafficCount[] {
    return this.#traffic.read();
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
    const sockets = [...this.#open.values(), ...this.#lingering].map(({ socket }) => socket);
    sockets.push(...this.#connecting.values());
    this.#open.clear();
    this.#connecting.clear();
    for (const socket of sockets) socket.destroy();
  }

  #adopt(id: StreamId, socket: Socket, at: SocketId | undefined, intake: Intake | undefined): void {
    const stream: OpenStream = { socket, writer: new MessageWriter(socket), at, intake, partner: undefined, bytes: 0 };
    this.#open.set(id, stream);
    socket.on('close', () => {
      const end: StreamEnd = { bytes: stream.bytes, clean: endedCleanly(socket) };
      if (!end.clean) cutOff(stream.partner?.socket);
      if (this.#open.delete(id)) this.#parts.sink.streamClosed(id, end);
    });
  }
}

interface OpenStream {
  readonly socket: Socket;
  /** Undefined when we made the connection. */
  readonly at: SocketId | undefined;
  /** Of held streams. */
  readonly intake: Intake | undefined;
  readonly writer: MessageWriter;
  partner: OpenStream | undefined;
  /** That came while it was joined. */
  bytes: number;
}

/** What one side lost must not look complete to the other: a reset, not an end. */
function cutOff(partner: Socket | undefined): void {
  if (partner !== undefined && !partner.destroyed) partner.resetAndDestroy();
}

function freeIntake({ intake, partner }: OpenStream): Intake | undefined {
  return partner === undefined ? intake : undefined;
}

function move(intake: Intake, from: OpenStream, to: OpenStream, count: { bytes: number }): void {
  intake.pumpTo(from.socket, to.socket, (bytes) => {
    from.bytes += bytes;
    count.bytes += bytes;
  });
}

/** Whether both ways came to their end: all was read, and all was written out. */
function endedCleanly(socket: Socket): boolean {
  return socket.readableEnded && socket.writableFinished;
}

function endsOf(socket: Socket, spec: StreamListenSpec): { remote: Endpoint; local: Endpoint } | undefined {
  if (spec.transport === 'unix') return { remote: UNIX_ENDPOINT, local: UNIX_ENDPOINT };
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  // Gone before anybody looked.
  if (remoteAddress === undefined || remotePort === undefined) return undefined;
  const local =
    localAddress === undefined || localPort === undefined ? spec.local : remoteEndpoint(localAddress, localPort);
  return { remote: remoteEndpoint(remoteAddress, remotePort), local };
}

function placeOf({ to, from }: ConnectSpec) {
  if ('path' in to) return { path: to.path };
  const local = from && { localAddress: from.address, ...(from.port > 0 && { localPort: from.port }) };
  return { host: to.address, port: to.port, family: to.family, ...local };
}

function keepAlive(socket: Socket, { idle, interval, count }: KeepAlive): void {
  (socket.setKeepAlive as KeepAliveSetter).call(socket, true, idle, interval, count);
}

/** Interval and count are newer than the types of Node 24; a Node that does not know them takes the kernel's. */
type KeepAliveSetter = (this: Socket, on: boolean, idle: Millis, interval: Millis, count: number) => Socket;

function timedOut(): Error {
  return Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' });
}

const LINGER: Millis = 5 * SECOND;
/**
 * Of droppable packets waiting on all streams. Clients that open many streams and read none would otherwise fill the memory; a reader
 * who is behind by more than a share is late for media anyway.
 */
const TOTAL_LIMIT = 64 * 1024 * 1024;
/** Room for some answers and a few packets, however many streams there are. */
const SHARE_MIN = 16 * 1024;
