import { feature } from '../../sys/features.ts';
import { loadLibc } from '../../sys/libc.ts';

/** Why the batched engine cannot run on this machine. */
export interface Obstacle {
  readonly reason: 'machine' | 'no-ffi' | 'no-library' | 'no-function' | 'kernel';
  readonly detail: string;
}

/** Undefined where it can. UDP_GRO and UDP_SEGMENT it uses where they are, and needs neither. */
export function batchedObstacle(): Obstacle | undefined {
  const library = loadLibc();
  if (!library.ok) return { reason: library.reason, detail: library.detail };
  for (const name of ['recvmmsg', 'sendmmsg'] as const) {
    const answer = feature(name);
    if (!answer.supported) return { reason: 'kernel', detail: `${name} (${answer.needs}): ${answer.detail}` };
  }
  return undefined;
}
