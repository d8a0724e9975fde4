import type { Endpoint } from '../../../net/endpoint.ts';
import type { SocketId, StreamId } from '../../../net/ids.ts';
import type { StandingRefusal } from '../../../net/standing.ts';
import type { Millis } from '../../../net/time.ts';
import { SystemError } from '../../../sys/errno.ts';
import { AF_INET, AF_INET6, decodeSockaddr } from '../../../sys/sockaddr.ts';
import type { ConnectJoin } from '../../engine.ts';
import { connectFailed } from '../../portable/error-names.ts';
import type { RingReader } from '../ring.ts';
import type { WorkerLink } from './link.ts';
import { OPENED_LOCAL, OPENED_REMOTE, OPENED_TAG, SERVICES } from './messages.ts';
import type { JoinThen } from './orders.ts';

/** A stream of a worker, as the main thread knows it. `handle`: what its worker calls it. */
export interface HeldStream {
  readonly id: StreamId;
  readonly handle: number;
  link: WorkerLink;
  /** Undefined when we made the connection. */
  readonly at: SocketId | undefined;
  state: 'connecting' | 'held' | 'joined';
  descriptor: number;
  /** Whom it is joined with as soon as it is connected. */
  readonly client: HeldStream | undefined;
}

export interface Join {
  readonly a: HeldStream;
  readonly b: HeldStream;
  readonly service: number;
  readonly idle: Millis;
}

/** When one of them is gone already, its worker ends the other. */
export function joinNow({ a, b, service, idle }: Join): void {
  a.link.join(a.handle, b.handle, service, idle);
}

/** A client that is gone already is nobody: then the new connection is cut. */
export function thenJoin({ service, idle, first }: ConnectJoin, client: HeldStream | undefined): JoinThen {
  return { handle: client?.handle ?? NOBODY, service: SERVICES.indexOf(service), idle, first };
}

/** Which cuts it. */
export function joinNobody({ link, handle }: HeldStream): void {
  link.join(handle, NOBODY, 0, 0);
}

/** Who came where, from a report that begins as `opened` does; what is not there is where the listener is bound. */
export function endsIn(ring: RingReader, bound: Endpoint): { readonly from: Endpoint; readonly local: Endpoint } {
  return {
    from: endpointIn(ring, ring.body + OPENED_REMOTE) ?? bound,
    local: endpointIn(ring, ring.body + OPENED_LOCAL) ?? bound,
  };
}

/** What a standing decision came to, from an `opened`. */
export function refusalIn(ring: RingReader): StandingRefusal | undefined {
  const errno = ring.word(ring.body + OPENED_TAG + 4);
  if (errno === 0) return undefined;
  const result = connectFailed(new SystemError('connect', errno));
  return result.ok ? undefined : { tag: ring.word(ring.body + OPENED_TAG), ...result };
}

/** Undefined where there is none: a unix socket, or an address that nobody asked for. */
function endpointIn(ring: RingReader, offset: number): Endpoint | undefined {
  const family = ring.word(offset) & 0xffff;
  return family === AF_INET || family === AF_INET6 ? decodeSockaddr(ring.view, offset) : undefined;
}

/** No stream's handle, nor the 0 that stands for no join at all. */
const NOBODY = Number.MAX_SAFE_INTEGER;
