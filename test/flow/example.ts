import type { Direction, Discriminator, Encapsulation, Flow, RateLimit, ServiceName } from '../../src/flow/flow.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import type { BucketId, FlowId, SocketId } from '../../src/net/ids.ts';

export const socketId = (n: number) => n as SocketId;
export const flowId = (n: number) => n as FlowId;
export const bucketId = (n: number) => n as BucketId;

export const v4 = (port: number, address = '192.0.2.1'): Endpoint => ({ family: 4, address, port });
export const v6 = (port: number, address = '2001:db8::1'): Endpoint => ({ family: 6, address, port });

export interface FlowParts {
  id?: number;
  service?: ServiceName;
  direction?: Direction;
  at?: number;
  remote?: Endpoint;
  discriminator?: Discriminator;
  exceptWord?: number;
  via?: number;
  to?: Endpoint;
  encapsulation?: Encapsulation;
  limit?: RateLimit;
  idle?: number;
}

/** A flow from socket 1 to socket 2, keep, without limits, unless told otherwise. */
export function exampleFlow(parts: FlowParts = {}): Flow {
  return {
    id: flowId(parts.id ?? 1),
    service: parts.service ?? 'turn',
    direction: parts.direction ?? 'to_peer',
    match: {
      socket: socketId(parts.at ?? 1),
      local: v4(3478, '0.0.0.0'),
      remote: parts.remote ?? v4(1000),
      discriminator: parts.discriminator ?? { kind: 'none' },
      ...(parts.exceptWord === undefined ? {} : { exceptWord: parts.exceptWord }),
    },
    rewrite: {
      socket: socketId(parts.via ?? 2),
      local: v4(50000, '0.0.0.0'),
      remote: parts.to ?? v4(2000, '192.0.2.2'),
      encapsulation: parts.encapsulation ?? { kind: 'keep' },
    },
    idle: parts.idle ?? 0,
    ...(parts.limit === undefined ? {} : { limit: parts.limit }),
  };
}

export const channel = (number: number): Discriminator => ({ kind: 'channel', channel: number });
export const receiver = (index: number): Discriminator => ({ kind: 'receiver', index });

/** ChannelData by RFC 8656 §12.4; `padding` bytes of 0xee behind the data. */
export function channelData(number: number, data: Uint8Array, padding = 0): Uint8Array {
  const bytes = new Uint8Array(4 + data.length + padding).fill(0xee);
  new DataView(bytes.buffer).setUint16(0, number);
  new DataView(bytes.buffer).setUint16(2, data.length);
  bytes.set(data, 4);
  return bytes;
}
