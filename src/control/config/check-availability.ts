import { soundForwards } from './check-forward.ts';
import { listenersOf } from './check-listeners.ts';
import type { Check } from './checks.ts';

/** What the grammar knows and this version does not do yet. */
export const checkAvailability: Check = (context, findings) => {
  for (const [path, { transport }] of listenersOf(context, 'turn')) {
    if (transport !== 'dtls') continue;
    findings.fault(path, 'dtls:// is not available in this version (use tls:// for encrypted clients)');
  }
  for (const [index, { transparent }] of soundForwards(context).entries()) {
    if (!transparent) continue;
    const mend = "leave it out; with proxyOut: v2 the upstream is told the client's address";
    findings.fault(['forward', String(index), 'transparent'], `is not available in this version (${mend})`);
  }
};
