import type { ServiceName } from '../../flow/flow.ts';
import type { SocketId, StreamId } from '../../net/ids.ts';
import type { OpenResult } from '../../net/open-result.ts';
import type { StandingDecision } from '../../net/standing.ts';
import type { ConnectSpec, JoinSpec, TlsMaterial, TrafficCount } from '../engine.ts';
import type { StreamListenSpec } from '../portable/stream-listener.ts';
import type { StreamRoom } from '../portable/stream-room.ts';
import { mergeTraffic } from '../portable/traffic.ts';
import type { HeldListenSpec } from './streams/bound-listeners.ts';
import type { SpliceRoom } from './streams/splice-room.ts';

/**
 * The stream half of the batched engine. What is held is moved by workers; what a service reads itself, TURN over TCP and TLS, stays with Node.
 * Every listener and every stream is in one of the two rooms.
 */
export class StreamRooms {
  readonly #node: StreamRoom;
  readonly #held: SpliceRoom;

  constructor(node: StreamRoom, held: SpliceRoom) {
    this.#node = node;
    this.#held = held;
  }

  has(socket: SocketId): boolean {
    return this.#held.has(socket) || this.#node.has(socket);
  }

  listen(socket: SocketId, spec: StreamListenSpec): Promise<OpenResult> {
    return isHeld(spec) ? this.#held.listen(socket, spec) : this.#node.listen(socket, spec);
  }

  updateTls(socket: SocketId, tls: TlsMaterial): void {
    this.#node.updateTls(socket, tls);
  }

  stopListening(socket: SocketId): Promise<void> {
    return this.#held.has(socket) ? this.#held.stopListening(socket) : this.#node.stopListening(socket);
  }

  stand(socket: SocketId, decision: StandingDecision | undefined, service: ServiceName): void {
    this.#held.stand(socket, decision, service);
  }

  allTold(): Promise<void> {
    return this.#held.allTold();
  }

  /** False when there is no such listener. */
  close(socket: SocketId): boolean {
    return this.#held.close(socket) || this.#node.close(socket);
  }

  async closeAll(): Promise<void> {
    await Promise.all([this.#held.closeAll(), this.#node.closeAll()]);
  }

  write(stream: StreamId, packet: Uint8Array, droppable: boolean): void {
    if (this.#held.hasStream(stream)) this.#held.write(stream, packet);
    else this.#node.streams.write(stream, packet, droppable);
  }

  closeStream(stream: StreamId): void {
    this.#held.closeStream(stream);
    this.#node.streams.close(stream);
  }

  connect(stream: StreamId, spec: ConnectSpec): void {
    this.#held.connect(stream, spec);
  }

  read(stream: StreamId): void {
    if (this.#held.hasStream(stream)) this.#held.read(stream);
    else this.#node.streams.read(stream);
  }

  join(a: StreamId, b: StreamId, spec: JoinSpec): void {
    this.#held.join(a, b, spec);
  }

  /** That came while it was joined; undefined when it is gone. */
  bytesOf(stream: StreamId): number | undefined {
    return this.#held.bytesOf(stream) ?? this.#node.streams.bytesOf(stream);
  }

  traffic(): TrafficCount[] {
    return mergeTraffic(this.#held.traffic(), this.#node.streams.traffic());
  }

  /** What workers had to drop, by reason; the rest is counted where all engines count. */
  drops(): ReadonlyMap<string, number> {
    return this.#held.drops();
  }
}

function isHeld(spec: StreamListenSpec): spec is HeldListenSpec {
  return spec.transport === 'unix' || (spec.transport === 'tcp' && spec.held === true);
}
