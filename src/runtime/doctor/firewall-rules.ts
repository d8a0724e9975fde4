import type { Family } from '../../net/address.ts';

/** What a firewall does with what comes in, as far as it can be read: rules in their order, chains by name. */
export interface Firewall {
  /** Those that every packet to this machine passes: all of them have to let it in. */
  readonly entries: readonly string[];
  readonly chains: ReadonlyMap<string, Chain>;
}

export interface Chain {
  readonly rules: readonly Rule[];
  /** Of an entry, when no rule decides. */
  readonly drops: boolean;
  /** Undefined: of both. */
  readonly family?: Family | undefined;
}

export interface Rule {
  readonly matches: readonly Match[];
  readonly verdict: 'accept' | 'drop' | 'return' | { readonly jump: string; readonly returns: boolean };
}

/** `some`: by something that a packet from anywhere may or may not have: its source, its interface, its rate, or what cannot be read. */
export type Match =
  | { readonly kind: 'protocol'; readonly names: readonly string[] }
  /** `protocol`: of these ports; undefined: of any. */
  | {
      readonly kind: 'ports';
      readonly protocol?: string | undefined;
      readonly ranges: readonly (readonly [number, number])[];
    }
  | { readonly kind: 'family'; readonly family: Family }
  | { readonly kind: 'always' | 'never' | 'some' };

/** The first packet of a client from elsewhere. */
export interface FirstPacket {
  readonly family: Family;
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
}

export type Passage = 'open' | 'some' | 'closed';

/** Whether it comes in: from everywhere, from some places perhaps, or not at all. */
export function passageOf(firewall: Firewall, packet: FirstPacket): Passage {
  const passages = firewall.entries.flatMap((name): Passage[] => {
    const chain = firewall.chains.get(name);
    if (chain === undefined || (chain.family !== undefined && chain.family !== packet.family)) return [];
    const walked = walk(firewall, chain, packet, DEEPEST);
    return [walked.end ?? (chain.drops ? (walked.some ? 'some' : 'closed') : 'open')];
  });
  return passages.includes('closed') ? 'closed' : passages.includes('some') ? 'some' : 'open';
}

interface Walked {
  /** What was decided for every such packet. */
  readonly end: Passage | undefined;
  /** Whether some got in on the way. */
  readonly some: boolean;
}

/** A rule that takes only some packets decides nothing when it drops: block lists and rate limits are no closed port. */
function walk(firewall: Firewall, { rules }: Chain, packet: FirstPacket, depth: number): Walked {
  let some = false;
  for (const { matches, verdict } of rules) {
    const hit = matchAll(matches, packet);
    if (hit === 'no') continue;
    if (typeof verdict === 'object') {
      const target = firewall.chains.get(verdict.jump);
      const inner: Walked =
        target === undefined || depth === 0
          ? { end: undefined, some: true }
          : walk(firewall, target, packet, depth - 1);
      some ||= inner.some || (hit === 'perhaps' && inner.end !== undefined && inner.end !== 'closed');
      if (hit === 'perhaps') continue;
      if (inner.end !== undefined) return { end: inner.end === 'closed' && some ? 'some' : inner.end, some };
      if (!verdict.returns) return { end: undefined, some };
    } else if (hit === 'perhaps') some ||= verdict === 'accept';
    else if (verdict === 'accept') return { end: 'open', some };
    else if (verdict === 'drop') return { end: some ? 'some' : 'closed', some };
    else return { end: undefined, some };
  }
  return { end: undefined, some };
}

function matchAll(matches: readonly Match[], packet: FirstPacket): 'yes' | 'no' | 'perhaps' {
  const answers = matches.map((match) => matchOne(match, packet));
  return answers.includes('no') ? 'no' : answers.includes('perhaps') ? 'perhaps' : 'yes';
}

function matchOne(match: Match, { family, protocol, port }: FirstPacket): 'yes' | 'no' | 'perhaps' {
  switch (match.kind) {
    case 'protocol':
      return match.names.includes(protocol) ? 'yes' : 'no';
    case 'ports':
      if ((match.protocol ?? protocol) !== protocol) return 'no';
      return match.ranges.some(([low, high]) => low <= port && port <= high) ? 'yes' : 'no';
    case 'family':
      return match.family === family ? 'yes' : 'no';
    case 'always':
      return 'yes';
    case 'never':
      return 'no';
    case 'some':
      return 'perhaps';
  }
}

/** Chains of iptables are at most so deep in practice; a circle ends. */
const DEEPEST = 32;
