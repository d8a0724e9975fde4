import type { Family } from '../../net/address.ts';
import type { Chain, Firewall, Match, Rule } from './firewall-rules.ts';

/** The output of iptables-save or ip6tables-save: the table "filter", entered by INPUT. */
export function readIptables(text: string, family: Family): Firewall {
  const chains = new Map<string, Chain & { readonly rules: Rule[] }>();
  let table = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1).trim();
    if (table !== 'filter') continue;
    const [, name = '', policy] = /^:(\S+) (\S+)/.exec(line) ?? [];
    if (name !== '') chains.set(name, { rules: [], drops: policy === 'DROP', family });
    const words = wordsOf(line);
    if (words[0] !== '-A') continue;
    const rule = readRule(words.slice(2));
    if (rule !== undefined) chains.get(words[1] ?? '')?.rules.push(rule);
  }
  return { entries: chains.has('INPUT') ? ['INPUT'] : [], chains };
}

function readRule(words: readonly string[]): Rule | undefined {
  const matches: Match[] = [];
  let negated = false;
  for (let at = 0; at < words.length; at += 1) {
    const option = words[at] ?? '';
    const value = words[at + 1] ?? '';
    if (option === '!') {
      negated = true;
      continue;
    }
    if (option === '-j' || option === '-g') return withVerdict(matches, value, option === '-j');
    // The name of a module says nothing yet; its options follow.
    if (option === '-m') at += 1;
    else if (option.startsWith('-')) {
      const match = readMatch(option, value);
      if (match !== undefined) matches.push(negated ? negate(match) : match);
    }
    negated = false;
  }
  return undefined;
}

function readMatch(option: string, value: string): Match | undefined {
  switch (option) {
    case '-p':
      return value === 'all' ? undefined : { kind: 'protocol', names: [NUMBERS[value] ?? value] };
    case '--dport':
    case '--dports':
      return { kind: 'ports', ranges: value.split(',').map(rangeOf) };
    case '--ctstate':
    case '--state':
      return { kind: value.split(',').includes('NEW') ? 'always' : 'never' };
    case '-i':
      return { kind: value === 'lo' ? 'never' : 'some' };
    case '--comment':
      return undefined;
    default:
      return { kind: 'some' };
  }
}

function withVerdict(matches: readonly Match[], target: string, returns: boolean): Rule | undefined {
  if (target === 'ACCEPT') return { matches, verdict: 'accept' };
  if (target === 'DROP' || target === 'REJECT') return { matches, verdict: 'drop' };
  if (target === 'RETURN') return { matches, verdict: 'return' };
  return SILENT.has(target) ? undefined : { matches, verdict: { jump: target, returns } };
}

function negate(match: Match): Match {
  return match.kind === 'never' ? { kind: 'always' } : match.kind === 'always' ? { kind: 'never' } : { kind: 'some' };
}

/** "3478", "49152:65535". */
function rangeOf(text: string): [number, number] {
  const [low = '0', high = low] = text.split(':');
  return [Number(low), Number(high)];
}

/** Quoted comments are one word. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? '');
}

const SILENT: ReadonlySet<string> = new Set(['LOG', 'NFLOG', 'MARK', 'CONNMARK', 'TRACE']);
const NUMBERS: Readonly<Record<string, string>> = { 6: 'tcp', 17: 'udp' };
