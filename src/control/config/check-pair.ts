import { SECOND } from '../../net/time.ts';
import { listenersOf } from './check-listeners.ts';
import type { Check } from './checks.ts';

/** Keys of pair that must fit together. */
export const checkPair: Check = (context, findings) => {
  const { pair } = context.config;
  if (pair === undefined) return;
  const { isSound } = context;
  if (pair.listen.length === 0 && isSound(['pair', 'listen'])) {
    findings.fault(['pair', 'listen'], 'is empty (name a listener, or take the section "pair" out)');
  }
  for (const [path, { transport }] of listenersOf(context, 'pair')) {
    if (transport !== 'udp') findings.fault(path, `${transport}:// is not for pairs, which are UDP (use udp://)`);
  }
  for (const key of ['idle', 'sweep', 'nonceLifetime'] as const) {
    if (pair[key] === 0) findings.fault(['pair', key], 'must be longer than nothing');
  }
  if (isSound(['pair', 'rebind', 'after']) && pair.rebind.after < SECOND) {
    findings.fault(['pair', 'rebind', 'after'], 'must be at least 1s (a living client pauses that long)');
  }
  if (pair.legacy.length > 0 && pair.antiReplay === 'require') {
    findings.fault(
      ['pair', 'antiReplay'],
      'cannot be required of legacy clients (use offer, or set pair.legacy=false)',
    );
  }
  if (pair.legacy.some((form) => form !== 'v0.8.0')) {
    findings.warn(['pair', 'legacy'], 'lets clients in that need no secret (name only the forms that yours use)');
  }
};
