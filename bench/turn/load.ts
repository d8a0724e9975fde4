import { type Arena, runLoad } from '../lib/arena.ts';
import { WARM_UP_SECONDS, whereTo } from '../lib/load.ts';
import { type Contestant, IDENTITY } from './contestant.ts';

export interface ChurnSample {
  readonly seconds: number;
  readonly cycles: number;
  readonly failed: number;
  readonly fault: string;
  readonly retransmissions: number;
  readonly relayCpu: number;
  readonly loadCpu: number;
}

export interface HoldSample {
  readonly held: number;
  readonly failed: number;
  readonly fault: string;
  readonly retransmissions: number;
  readonly relayCpu: number;
}

/** Allocate, 401, Allocate, ChannelBind, Refresh 0, over and over, by 200 clients at a time. */
export async function loadChurn(arena: Arena, contestant: Contestant, seconds: number): Promise<ChurnSample> {
  const options = ['--parallel', '200', '--seconds', String(seconds), '--warm-up', String(WARM_UP_SECONDS)];
  const sample = await runLoad<ChurnSample>(
    arena,
    'churn',
    [...whereTo(arena, contestant, IDENTITY), ...options],
    seconds,
  );
  if (sample.cycles === 0 || sample.failed > 0) throw new Error(`${sample.failed} cycles failed: ${sample.fault}`);
  return sample;
}

/** Makes allocations with one channel each and leaves them. */
export async function loadHold(arena: Arena, contestant: Contestant, count: number): Promise<HoldSample> {
  const options = ['--parallel', '100', '--count', String(count)];
  return await runLoad<HoldSample>(arena, 'hold', [...whereTo(arena, contestant, IDENTITY), ...options], 60);
}
