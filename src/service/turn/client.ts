import type { Endpoint } from '../../net/endpoint.ts';
import type { SocketId, StreamId } from '../../net/ids.ts';
import type { Millis } from '../../net/time.ts';
import { StreamFramer } from '../../wire/stun/framing.ts';
import type { Deadline } from '../deadlines.ts';
import type { Allocation } from './allocation.ts';

/**
 * Who sent a message: the variable part of the 5-tuple (RFC 8656 §2). Over UDP it is where the packet arrived and where it came
 * from; over TCP and TLS the connection is the 5-tuple.
 */
export type Client = UdpClient | StreamClient;

export class UdpClient {
  readonly socket: SocketId;
  readonly endpoint: Endpoint;

  constructor(socket: SocketId, endpoint: Endpoint) {
    this.socket = socket;
    this.endpoint = endpoint;
  }
}

export class StreamClient implements Deadline {
  /** Closed at this time unless a valid request or an allocation comes first. */
  at: Millis = 0;
  position = -1;
  readonly stream: StreamId;
  /** The listener. */
  readonly socket: SocketId;
  readonly endpoint: Endpoint;
  readonly framer = new StreamFramer();
  allocation: Allocation | undefined = undefined;
  /** Messages that could not be decoded, since the start. */
  faults = 0;

  constructor(stream: StreamId, socket: SocketId, endpoint: Endpoint) {
    this.stream = stream;
    this.socket = socket;
    this.endpoint = endpoint;
  }
}
