import { isLoopback } from '../../net/address.ts';
import type { Check } from './checks.ts';

/** What the admin listener tells is not for everybody: beyond loopback it wants a token. */
export const checkAdmin: Check = ({ config: { admin }, isSound }, findings) => {
  if (admin.listen === undefined || isLoopback(admin.listen.address) || !isSound(['admin'])) return;
  if (admin.token === undefined) {
    findings.fault(
      ['admin', 'listen'],
      'can be reached from other machines and has no admin.token (set one of 16 characters or more, or listen on 127.0.0.1)',
    );
    return;
  }
  findings.warn(
    ['admin', 'listen'],
    'can be reached from other machines over plain HTTP: the token travels unencrypted',
  );
};
