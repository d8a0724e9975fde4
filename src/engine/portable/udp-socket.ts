import dgram, { type RemoteInfo } from 'node:dgram';
import type { SocketFlows } from '../../flow/socket-flows.ts';
import type { Family } from '../../net/address.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import type { SocketId } from '../../net/ids.ts';
import type { OpenResult } from '../../net/open-result.ts';
import type { SocketBuffers } from '../engine.ts';
import type { DropCounts, DropOwner } from './drop-counts.ts';
import { errorCode, openFailed, sendFailure } from './error-names.ts';

/** Where a socket hands its packets; `packet` is the receiver's own, nobody else writes to it. */
export type PacketHandler = (at: UdpSocket, packet: Buffer, remote: RemoteInfo) => void;

/**
 * One bound node:dgram socket. What fails here is a value or a count: no error leaves this file.
 *
 * A send goes to the kernel before `send` returns, except when the socket's buffer is full: then Node keeps the packet and tries
 * again, so whatever was given must stay as it is.
 *
 * Node tells the outcome of a send by a callback in a later tick, which costs a tenth of forwarding a packet. So a stretch of packets
 * of one flow has one that is watched, until a send of this socket fails: then all are, for as long as failures come. Failures of a
 * kind that lasts are so counted exactly, but for less than one stretch at their beginning.
 */
export class UdpSocket {
  readonly id: SocketId;
  readonly family: Family;
  readonly flows: SocketFlows;
  readonly #socket: dgram.Socket;
  readonly #drops: DropCounts;
  readonly #completions: Completions = {
    turn: undefined,
    wireguard: undefined,
    pair: undefined,
    forward: undefined,
    engine: undefined,
  };
  /** Sends whose outcome is not known yet: those of this turn, and those that Node queued. */
  #unsettled = 0;
  /** Sends since the last one that was watched. */
  #unwatched = 0;
  /** How many sends must still go well until some may go unwatched again. */
  #wary = 0;

  constructor(id: SocketId, family: Family, flows: SocketFlows, drops: DropCounts, onPacket: PacketHandler) {
    this.id = id;
    this.family = family;
    this.flows = flows;
    this.#drops = drops;
    this.#socket = dgram.createSocket({
      type: family === 4 ? 'udp4' : 'udp6',
      // An IPv4 peer belongs to an IPv4 socket: one family a socket keeps addresses in one form.
      ipv6Only: family === 6,
      lookup: family === 4 ? numeric4 : numeric6,
    });
    this.#socket.on('message', (packet, remote) => onPacket(this, packet, remote));
  }

  /** The kernel may give less than these buffers. `inherited`: bound already. To be called once, first. */
  bind(local: Endpoint, buffers: SocketBuffers, inherited?: number): OpenResult {
    let failure: unknown;
    let bound = false;
    this.#socket.on('error', (error) => {
      if (bound) this.#drops.add('engine', 'receive-failed');
      else failure = error;
    });
    this.#socket.once('listening', () => {
      bound = true;
    });
    try {
      const place = inherited === undefined ? { port: local.port, address: local.address } : { fd: inherited };
      this.#socket.bind({ ...place, exclusive: true });
      if (!bound) throw failure ?? new Error('the bind did not end at once');
      this.#enlarge(buffers);
      return { ok: true, local: local.port === 0 ? { ...local, port: this.#socket.address().port } : local };
    } catch (error) {
      this.close();
      return openFailed(error);
    }
  }

  /**
   * `packet` must not change afterwards. `owner`: under whose name a failure is counted. `ordinal`: which packet of its flow it is, from
   * 1; without it a failure is always counted.
   */
  send(packet: Uint8Array, port: number, address: string, owner: DropOwner, ordinal = 1): void {
    if (port === 0) {
      this.#drops.add(owner, 'port-zero');
      return;
    }
    if (this.#unsettled > UNSETTLED_UNCHECKED && this.#socket.getSendQueueSize() > QUEUE_BYTES) {
      this.#drops.add(owner, 'send-queue-full');
      return;
    }
    if (ordinal % STRETCH !== 1 && this.#unwatched < STRETCH && this.#wary === 0) {
      this.#unwatched += 1;
      this.#socket.send(packet, port, address);
      return;
    }
    this.#unwatched = 0;
    this.#unsettled += 1;
    this.#socket.send(packet, port, address, (this.#completions[owner] ??= this.#completion(owner)));
  }

  close(): void {
    this.#socket.close();
  }

  #completion(owner: DropOwner): Completion {
    return (error) => {
      this.#unsettled -= 1;
      if (error === null) {
        if (this.#wary > 0) this.#wary -= 1;
        return;
      }
      this.#wary = WARY_SENDS;
      // A send that waited when its socket was closed is no fault worth a count.
      if (errorCode(error) !== 'ECANCELED') this.#drops.add(owner, sendFailure(error));
    };
  }

  #enlarge({ receive, send }: SocketBuffers): void {
    try {
      this.#socket.setRecvBufferSize(receive);
      this.#socket.setSendBufferSize(send);
    } catch {
      // Some systems refuse what is above their limit instead of giving less: the default will do.
    }
  }
}

type Lookup = NonNullable<dgram.SocketOptions['lookup']>;

/** Every address here is numeric. Answering at once makes bind and send synchronous and saves a tick for each packet. */
const numeric4: Lookup = (address, _options, callback) => callback(null, address, 4);
const numeric6: Lookup = (address, _options, callback) => callback(null, address, 6);

type Completion = (error: Error | null) => void;
type Completions = Record<DropOwner, Completion | undefined>;

/** Node's own queue behind a full socket buffer. It has no end, so we set one. */
const QUEUE_BYTES = 4 * 1024 * 1024;
/** Packets of a flow of which one is watched; a socket, whatever its flows, watches one of as many too. */
const STRETCH = 16;
/** Enough for every flow of a busy socket to have its turn. */
const WARY_SENDS = 1024;
/** Below this many unsettled sends, each with a stretch of others behind it, the queue cannot be that long: no call is needed to know. */
const UNSETTLED_UNCHECKED = Math.floor(QUEUE_BYTES / 65536 / (STRETCH + 1)) - 1;
