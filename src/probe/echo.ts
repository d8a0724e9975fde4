import { randomBytes } from 'node:crypto';
import type { TurnClient } from './client.ts';
import { ProbeError } from './failure.ts';

/** Bytes of payload: tiny, a voice frame, half, and about what fits everywhere with every header on (IPv6 minimum MTU 1280). */
const ECHO_SIZES = [16, 160, 600, 1200] as const;
const PACKETS_PER_SIZE = 5;
/** More than this share lost is a failure, less is a note: a probe over a real network meets stray loss. */
const TOLERATED_LOSS = 0.2;

/** One end of the path: how it sends to the other end, over whatever form it has set up. */
export interface EchoSide {
  readonly client: Pick<TurnClient, 'onData'>;
  send(data: Uint8Array): void;
}

export interface EchoResult {
  readonly sent: number;
  readonly received: number;
  /** Milliseconds there and back, through both allocations twice. */
  readonly rtt: { readonly min: number; readonly average: number; readonly max: number };
}

/** Every payload that a probe has sent, so that any that it meets again, late or twice, is known from one that was changed. */
export type KnownPayloads = Set<string>;

/**
 * `from` sends packets of several sizes, `to` sends each back as it came, both compare every byte: what changes packets symmetrically
 * would undo its work on the way back. Sizes go one after the other, so that a path that swallows large packets is told apart from one
 * that swallows all. Rejects with ProbeError.
 */
export async function echo(from: EchoSide, to: EchoSide, known: KnownPayloads, timeout: number): Promise<EchoResult> {
  const times: number[] = [];
  const lost: number[] = [];
  let changed = false;
  to.client.onData = (_peer, data) => {
    if (known.has(keyOf(data))) to.send(data);
    else changed = true;
  };
  for (const size of ECHO_SIZES) {
    const round = await echoRound(from, size, known, timeout);
    if (changed) throw new ProbeError('corrupt', `a packet of ${size} bytes was changed on its way`);
    times.push(...round);
    if (round.length === 0) lost.push(size);
    if (times.length === 0) {
      throw new ProbeError('no-data', `none of ${PACKETS_PER_SIZE} packets came back within ${timeout} ms`);
    }
  }
  if (lost.length > 0) {
    throw new ProbeError('large-lost', `packets of ${lost.join(' and ')} bytes do not come back, smaller ones do`);
  }
  const sent = ECHO_SIZES.length * PACKETS_PER_SIZE;
  if (times.length < sent * (1 - TOLERATED_LOSS)) {
    throw new ProbeError('lossy', `only ${times.length} of ${sent} packets came back`);
  }
  return { sent, received: times.length, rtt: summary(times) };
}

/** Milliseconds of each packet that came back whole. */
function echoRound(from: EchoSide, size: number, known: KnownPayloads, timeout: number): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const waiting = new Map<string, number>();
    const times: number[] = [];
    const giveUp = setTimeout(() => resolve(times), timeout);
    from.client.onData = (_peer, data) => {
      const key = keyOf(data);
      const sentAt = waiting.get(key);
      if (sentAt !== undefined) {
        waiting.delete(key);
        times.push(performance.now() - sentAt);
      } else if (!known.has(key)) {
        clearTimeout(giveUp);
        reject(new ProbeError('corrupt', `a packet of ${size} bytes came back changed`));
        return;
      }
      if (waiting.size > 0) return;
      clearTimeout(giveUp);
      resolve(times);
    };
    const payloads = Array.from({ length: PACKETS_PER_SIZE }, () => randomBytes(size));
    for (const payload of payloads) {
      known.add(keyOf(payload));
      waiting.set(keyOf(payload), performance.now());
    }
    for (const payload of payloads) from.send(payload);
  });
}

function keyOf(payload: Uint8Array): string {
  return Buffer.from(payload).toString('latin1');
}

function summary(times: readonly number[]): EchoResult['rtt'] {
  const total = times.reduce((sum, time) => sum + time, 0);
  return { min: Math.min(...times), average: total / times.length, max: Math.max(...times) };
}
