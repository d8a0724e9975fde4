import type { Check } from './checks.ts';

/** Keys of turn that must fit together. */
export const checkTurn: Check = ({ config: { turn }, isSound, written }, findings) => {
  if (!['turn', 'wireguard', 'pair', 'forward'].some((service) => service in written)) {
    findings.warn([], 'no service is on: the configuration has no section "turn", "wireguard", "pair" or "forward"');
  }
  if (turn === undefined) return;
  if (turn.listen.length === 0 && isSound(['turn', 'listen'])) {
    findings.fault(['turn', 'listen'], 'is empty (name a listener, or take the section "turn" out)');
  }
  const { lifetime } = turn;
  if (isSound(['turn', 'lifetime']) && lifetime.default > lifetime.max) {
    findings.fault(
      ['turn', 'lifetime', 'default'],
      'is longer than turn.lifetime.max (raise the one or lower the other)',
    );
  }
  if (lifetime.default === 0) findings.fault(['turn', 'lifetime', 'default'], 'must be longer than nothing');
  if (turn.nonceLifetime === 0) findings.fault(['turn', 'nonceLifetime'], 'must be longer than nothing');
};
