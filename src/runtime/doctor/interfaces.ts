import type { XdpObstacle } from '../../engine/xdp/obstacle.ts';
import { about, type Finding } from './finding.ts';

export interface InterfaceReadings {
  /** Those that the xdp engine would take. */
  readonly interfaces: readonly {
    readonly name: string;
    /** Why it would not run in the driver; undefined: it would. */
    readonly obstacle: string | undefined;
    /** Number of an XDP program that is attached already. */
    readonly program: number | undefined;
  }[];
  readonly wantsXdp: boolean;
  /** Whether a relay of this state folder runs, or left its program there, which the next one takes over. */
  readonly ours: boolean;
}

/** How the xdp engine would run: in one mode on all of them. */
export function interfaceFindings({ interfaces, wantsXdp, ours }: InterfaceReadings): Finding[] {
  const generic = interfaces.some(({ obstacle }) => obstacle !== undefined);
  return interfaces.flatMap(({ name, obstacle, program }) => {
    const findings = [
      obstacle !== undefined
        ? interfaceOf(name, 'note', `${name}: xdp runs generic, not native: ${obstacle}`, FIX_GENERIC)
        : interfaceOf(name, 'ok', `${name}: xdp can run native${generic ? ', and goes generic like the others' : ''}`),
    ];
    if (program !== undefined && !ours) {
      const what = `${name}: another XDP program is attached (${program})`;
      const fix = wantsXdp ? fixOccupied(name) : undefined;
      findings.push(interfaceOf(`${name}-program`, wantsXdp ? 'problem' : 'ok', what, fix));
    }
    return findings;
  });
}

/** Why the xdp engine would not run where others have their programs. */
export function occupied(interfaces: InterfaceReadings['interfaces']): XdpObstacle | undefined {
  const taken = interfaces.find(({ program }) => program !== undefined);
  if (taken === undefined) return undefined;
  const detail = `${taken.name}: another XDP program is attached (${taken.program})`;
  return { reason: 'attach', detail, fix: fixOccupied(taken.name) };
}

function fixOccupied(name: string): string {
  return `ip link set dev ${name} xdp off, or name other interfaces in \`interfaces\``;
}

const interfaceOf = about('interfaces');
const FIX_GENERIC = 'interfaces: [NAME] of those whose driver has XDP; generic works too, with a copy of each packet';
