import type { Check } from './checks.ts';

/** Keys of wireguard that must fit together. */
export const checkWireguard: Check = ({ config: { wireguard }, isSound }, findings) => {
  if (wireguard === undefined) return;
  if (wireguard.listen.length === 0 && isSound(['wireguard', 'listen'])) {
    findings.fault(['wireguard', 'listen'], 'is empty (name a listener, or take the section "wireguard" out)');
  }
  if (wireguard.challenge && wireguard.peers.length === 0 && isSound(['wireguard', 'peers'])) {
    findings.fault(
      ['wireguard', 'challenge'],
      'needs wireguard.peers: a cookie can only be sealed for who knows a registered public key',
    );
  }
  if (wireguard.proof !== undefined && wireguard.peers.length === 0 && isSound(['wireguard', 'peers'])) {
    findings.fault(['wireguard', 'proof'], 'needs wireguard.peers: only a registered public key can be proven');
  }
  if (wireguard.timeout === 0) findings.fault(['wireguard', 'timeout'], 'must be longer than nothing');
  const seen = new Set<string>();
  for (const [index, { publicKey }] of wireguard.peers.entries()) {
    const key = Buffer.from(publicKey).toString('base64');
    if (seen.has(key)) findings.fault(['wireguard', 'peers', String(index)], 'has the public key of an earlier peer');
    seen.add(key);
  }
};
