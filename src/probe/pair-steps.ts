import { randomBytes } from 'node:crypto';
import { type Endpoint, endpointKey } from '../net/endpoint.ts';
import { resolveHost } from './addresses.ts';
import { type EchoResult, echo } from './echo.ts';
import { ProbeError } from './failure.ts';
import { PairEnd } from './pair-end.ts';
import type { Session } from './session.ts';
import type { Steps } from './steps.ts';

/** What `probe pair:` does: two clients meet under a new GUID and send each other data. */
export async function probePair(session: Session, steps: Steps): Promise<void> {
  const { target, options } = session;
  const server = await steps.run('resolve', () => resolveHost(target.host, target.port), endpointKey);
  session.server = server;
  const [first, second] = await steps.run(
    'connect',
    () => openEnds(session, server),
    (ends) => `UDP from ${ends.map(({ local }) => endpointKey(local)).join(' and ')}`,
  );
  session.local = first.local;
  try {
    await steps.run(
      'pair',
      () => meet(first, second, options.timeout),
      () => (first.challenged ? 'both clients met, with nonces' : 'both clients met'),
    );
    const known = new Set<string>();
    const describe = ({ sent, received, rtt }: EchoResult) =>
      `${received} of ${sent} came back, ${rtt.average.toFixed(2)} ms on average`;
    const there = () => echo(sideOf(first), sideOf(second), known, options.timeout);
    const back = () => echo(sideOf(second), sideOf(first), known, options.timeout);
    session.echoes.push(await steps.run('data there', there, describe));
    session.echoes.push(await steps.run('data back', back, describe));
  } finally {
    first.close();
    second.close();
  }
}

async function openEnds({ options }: Session, server: Endpoint): Promise<readonly [PairEnd, PairEnd]> {
  const { pairKey, timeout } = options;
  if (pairKey === undefined) throw new ProbeError('no-credentials', 'there is no secret');
  const guid = randomBytes(16).toString('hex');
  const first = await PairEnd.connect(server, guid, pairKey, timeout);
  return [first, await PairEnd.connect(server, guid, pairKey, timeout)];
}

/** The second follows a little later, so that the first is the first. Whoever is second, his handshake goes to the other. */
async function meet(first: PairEnd, second: PairEnd, timeout: number): Promise<void> {
  const deadline = performance.now() + timeout;
  while (performance.now() < deadline) {
    for (const end of [first, second]) {
      end.shakeHands();
      await metWithin([first, second], HEAD_START);
    }
    if (await metWithin([first, second], REPEAT_EVERY)) return;
  }
  throw new ProbeError('no-answer', `the clients did not meet within ${timeout} ms`);
}

async function metWithin(ends: readonly PairEnd[], patience: number): Promise<boolean> {
  const deadline = performance.now() + patience;
  for (;;) {
    const failure = ends.find((end) => end.failure !== undefined)?.failure;
    if (failure !== undefined) throw failure;
    if (ends.some(({ met }) => met)) return true;
    if (performance.now() >= deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function sideOf(end: PairEnd) {
  return { client: end, send: (data: Uint8Array) => end.send(data) };
}

const HEAD_START = 50;
const REPEAT_EVERY = 400;
