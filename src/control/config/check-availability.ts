import { listenersOf } from './check-listeners.ts';
import type { Check } from './checks.ts';

/** What the grammar knows and this version does not do yet. */
export const checkAvailability: Check = (context, findings) => {
  for (const [path, { transport }] of listenersOf(context, 'turn')) {
    if (transport !== 'dtls') continue;
    findings.fault(path, 'dtls:// is not available in this version (use tls:// for encrypted clients)');
  }
};
