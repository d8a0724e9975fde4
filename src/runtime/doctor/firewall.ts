import type { TurnSettings } from '../../control/config/turn.ts';
import type { Family } from '../../net/address.ts';
import type { CommandResult } from './command.ts';
import { about, type Finding } from './finding.ts';
import { readIptables } from './firewall-iptables.ts';
import { readNft } from './firewall-nft.ts';
import { type Firewall, type FirstPacket, type Passage, passageOf } from './firewall-rules.ts';
import type { PlannedSocket } from './sockets.ts';

export interface FirewallReadings {
  /** nft -j list ruleset; iptables-save; ip6tables-save */
  readonly nft: CommandResult;
  readonly iptables: CommandResult;
  readonly ip6tables: CommandResult;
}

/** What clients send to, beyond loopback: one entry for what is judged alike. */
export interface Opening extends FirstPacket {
  /** Highest port of a range. */
  readonly last: number;
}

export function firewallFindings(readings: FirewallReadings, openings: readonly Opening[]): Finding[] {
  const firewalls = [
    readings.nft.ok ? readNft(readings.nft.output) : undefined,
    readings.iptables.ok ? readIptables(readings.iptables.output, 4) : undefined,
    readings.ip6tables.ok ? readIptables(readings.ip6tables.output, 6) : undefined,
  ].filter((one) => one !== undefined);
  if (firewalls.length === 0) return [unread(readings)];

  const judged = openings.map((opening) => ({ opening, passage: judge(firewalls, opening) }));
  const closed = judged.filter(({ passage }) => passage === 'closed').map(({ opening }) => opening);
  const some = judged.filter(({ passage }) => passage === 'some').map(({ opening }) => opening);
  const findings: Finding[] = [];
  if (closed.length > 0) {
    const what = `the firewall lets nobody in to ${placesOf(closed)}`;
    findings.push(firewall('input', 'problem', what, fixFor(readings, closed)));
  }
  if (some.length > 0) {
    const what = `the firewall lets some in to ${placesOf(some)}, by source, interface or what is not read here`;
    findings.push(
      firewall('input-some', 'note', what, 'nothing if that is meant; culvert probe from where clients are'),
    );
  }
  if (findings.length > 0) return findings;
  return [
    firewall('input', 'ok', 'the rules of this machine let clients in (those of a cloud or a router are not seen)'),
  ];
}

/** What the sockets are for; who listens on loopback needs no firewall to let anybody in. */
export function openingsOf(
  sockets: readonly PlannedSocket[],
  turn: TurnSettings | undefined,
  relayFamilies: readonly Family[],
): Opening[] {
  const reachable = sockets.filter(({ local: { address } }) => !address.startsWith('127.') && address !== '::1');
  const listeners = reachable.map(({ kind, local: { family, port } }) => ({
    family,
    protocol: kind,
    port,
    last: port,
  }));
  if (turn === undefined) return listeners;
  const { min, max } = turn.relay.ports;
  return [...listeners, ...relayFamilies.map((family) => ({ family, protocol: 'udp', port: min, last: max }) as const)];
}

/** Of a range both ends and the middle: rules name ranges too. The least that is let in counts. */
function judge(firewalls: readonly Firewall[], opening: Opening): Passage {
  const { port, last } = opening;
  const samples = [...new Set([port, (port + last) >> 1, last])];
  const passages = samples.flatMap((each) => firewalls.map((one) => passageOf(one, { ...opening, port: each })));
  return passages.includes('closed') ? 'closed' : passages.includes('some') ? 'some' : 'open';
}

function unread({ nft, iptables }: FirewallReadings): Finding {
  const absent = [nft, iptables].every((result) => !result.ok && result.reason === 'absent');
  if (absent) {
    const what = 'neither nft nor iptables is installed: what a firewall lets in is not known';
    return firewall('input', 'note', what, 'apt-get install nftables, or culvert probe from where clients are');
  }
  return firewall('input', 'note', 'this user may not read the firewall', 'sudo culvert doctor');
}

function fixFor({ nft }: FirewallReadings, closed: readonly Opening[]): string {
  const chain = nft.ok ? nftChain(nft.output) : undefined;
  const rules = [
    ...new Set(closed.map(({ protocol, port, last }) => `${protocol} ${rangeOf(port, last, chain ? '-' : ':')}`)),
  ];
  return rules
    .map((rule) => {
      const [protocol, ports] = rule.split(' ');
      if (chain !== undefined) return `nft insert rule ${chain} ${protocol} dport ${ports} accept`;
      return `iptables -I INPUT -p ${protocol} --dport ${ports} -j ACCEPT`;
    })
    .join(' && ');
}

/** The first chain that drops, as nft names it. */
function nftChain(output: string): string | undefined {
  const read = readNft(output);
  return read?.entries.find((name) => read.chains.get(name)?.drops) ?? read?.entries[0];
}

function placesOf(openings: readonly Opening[]): string {
  return [...new Set(openings.map(({ protocol, port, last }) => `${protocol} ${rangeOf(port, last, '-')}`))].join(', ');
}

function rangeOf(port: number, last: number, between: string): string {
  return port === last ? String(port) : `${port}${between}${last}`;
}

const firewall = about('firewall');
