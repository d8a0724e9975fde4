import type { StandingDecision } from '../../../net/standing.ts';
import type { KeepAlive, StreamTarget } from '../../../net/stream-target.ts';
import { type Millis, SECOND } from '../../../net/time.ts';
import { encodeSockaddr } from '../../../sys/sockaddr.ts';
import { encodePath, type KeepAliveSeconds } from '../../../sys/stream-socket.ts';
import type { ConnectSpec } from '../../engine.ts';
import type { RingWriter } from '../ring.ts';
import {
  CONNECT_BYTES,
  CONNECT_FAMILY,
  CONNECT_FIRST_SIZE,
  CONNECT_FOREIGN,
  CONNECT_IDLE,
  CONNECT_KEEP_ALIVE,
  CONNECT_SERVICE,
  CONNECT_SIZES,
  CONNECT_SOURCE,
  CONNECT_TARGET,
  CONNECT_WITH,
  STAND_BYTES,
  STAND_COUNT,
  STAND_KEEP_ALIVE,
  STAND_MOST,
  STAND_SERVICE,
  STAND_TARGET_ADDRESS,
  STAND_TARGET_BYTES,
  STAND_VERSION,
} from './messages.ts';

/** What follows a connect; a handle of 0: nothing. */
export interface JoinThen {
  readonly handle: number;
  readonly service: number;
  readonly idle: Millis;
  readonly first: Uint8Array;
}

/** A standing decision, undefined where there is none, and whose traffic it is, by number. */
export interface Stands {
  readonly decision: StandingDecision | undefined;
  readonly service: number;
  /** See Seats. */
  readonly version: number;
}

/** The body of `connect`, see messages.ts. Throws SystemError for a path that is too long. */
export function writeConnect(
  ring: RingWriter,
  at: number,
  { to, from, transparent = false, timeout, keepAlive }: ConnectSpec,
  { handle, service, idle, first }: JoinThen,
): void {
  const size = writeTarget(ring, at + CONNECT_TARGET, to);
  const source = from === undefined ? 0 : encodeSockaddr(from, ring.view, at + CONNECT_SOURCE);
  ring.setNumber(at, timeout);
  writeKeepAlive(ring, at + CONNECT_KEEP_ALIVE, keepAlive);
  ring.setWord(at + CONNECT_SIZES, size);
  ring.setWord(at + CONNECT_SIZES + 4, source);
  ring.setWord(at + CONNECT_FAMILY, familyNumber(to));
  ring.setWord(at + CONNECT_FOREIGN, transparent ? 1 : 0);
  ring.setNumber(at + CONNECT_WITH, handle);
  ring.setNumber(at + CONNECT_IDLE, idle);
  ring.setWord(at + CONNECT_SERVICE, service);
  ring.setWord(at + CONNECT_FIRST_SIZE, first.length);
  if (first.length > 0) ring.bytes.set(first, at + CONNECT_BYTES);
}

export function standBytes({ decision }: Stands): number {
  return STAND_BYTES + (decision?.to.length ?? 0) * STAND_TARGET_BYTES;
}

/** The body of `stand`. Throws SystemError for a path that is too long. */
export function writeStand(ring: RingWriter, at: number, { decision, service, version }: Stands): void {
  ring.setWord(at + STAND_COUNT, decision?.to.length ?? 0);
  if (decision === undefined) return;
  const { to, timeout, idle, keepAlive, most } = decision;
  ring.setNumber(at, timeout);
  ring.setNumber(at + 8, idle);
  writeKeepAlive(ring, at + STAND_KEEP_ALIVE, keepAlive);
  ring.setWord(at + STAND_SERVICE, service);
  ring.setWord(at + STAND_VERSION, version);
  ring.setWord(at + STAND_MOST, most);
  for (const [n, { tag, place }] of to.entries()) {
    const target = at + STAND_BYTES + n * STAND_TARGET_BYTES;
    ring.setWord(target, tag);
    ring.setWord(target + 4, writeTarget(ring, target + STAND_TARGET_ADDRESS, place));
    ring.setWord(target + 8, familyNumber(place));
  }
}

export function keepAliveSeconds(times: KeepAlive | undefined): KeepAliveSeconds | undefined {
  if (times === undefined) return undefined;
  return { idle: Math.ceil(times.idle / SECOND), interval: Math.ceil(times.interval / SECOND), count: times.count };
}

/** Its size. Throws SystemError for a path that is too long. */
function writeTarget(ring: RingWriter, at: number, to: StreamTarget): number {
  return 'path' in to ? encodePath(to.path, ring.bytes.subarray(at)) : encodeSockaddr(to, ring.view, at);
}

/** 0 stands for a unix socket. */
function familyNumber(to: StreamTarget): number {
  return 'path' in to ? 0 : to.family;
}

function writeKeepAlive(ring: RingWriter, at: number, times: KeepAlive | undefined): void {
  const { idle, interval, count } = keepAliveSeconds(times) ?? NO_KEEP_ALIVE;
  ring.setWord(at, idle);
  ring.setWord(at + 4, interval);
  ring.setWord(at + 8, count);
}

const NO_KEEP_ALIVE: KeepAliveSeconds = { idle: 0, interval: 0, count: 0 };
