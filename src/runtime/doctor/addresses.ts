import type { Config } from '../../control/config/schema.ts';
import type { OwnAddress } from '../addresses.ts';
import type { TurnPlan } from '../plan.ts';
import { about, type Finding } from './finding.ts';

/** What this machine is called, and what clients of TURN would be told, as `up` decides it. */
export function addressFindings(config: Config, plan: TurnPlan, own: readonly OwnAddress[]): Finding[] {
  const listed = own.filter(({ scope }) => scope !== 'loopback' && scope !== 'link-local');
  const names = listed.map(({ address, scope }) => (scope === 'private' ? `${address} (private)` : address));
  const findings = [address('own', 'ok', names.length === 0 ? 'none beyond loopback' : `own: ${names.join(', ')}`)];
  if (config.turn === undefined) return findings;
  const told = [plan.relay.ipv4, plan.relay.ipv6].flatMap((relay) => (relay === undefined ? [] : [relay]));
  if (told.length > 0) {
    const places = told.map(({ advertised, bind }) =>
      advertised === bind ? advertised : `${advertised} (bound on ${bind})`,
    );
    findings.push(address('relay', 'ok', `TURN relays at ${places.join(' and ')}`));
  }
  const level = told.length === 0 ? 'problem' : 'note';
  return [...findings, ...plan.hints.map(({ what, fix }) => address('public', level, what, fix))];
}

const address = about('addresses');
