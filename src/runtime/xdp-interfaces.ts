import { existsSync } from 'node:fs';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { isLoopback } from '../net/address.ts';

type Interfaces = Readonly<
  Record<string, readonly Pick<NetworkInterfaceInfo, 'address' | 'mac' | 'internal'>[] | undefined>
>;

/**
 * `interfaces` of the configuration as names. `auto`: all that a listener's traffic may come in or leave by, which a wildcard and the
 * relayed addresses leave open: Ethernet, with an address that means something beyond its link, and no bridge, whose ports see the frames
 * first. None when everything listens on loopback.
 */
export function xdpInterfaces(
  wanted: readonly string[],
  listeners: readonly string[],
  interfaces: Interfaces = networkInterfaces(),
): readonly string[] {
  if (!wanted.includes('auto')) return wanted;
  if (listeners.every(isLoopback)) return [];
  return Object.entries(interfaces)
    .filter(([name, entries = []]) => entries.some(isReachable) && !existsSync(`/sys/class/net/${name}/bridge`))
    .map(([name]) => name);
}

function isReachable({ address, mac, internal }: Pick<NetworkInterfaceInfo, 'address' | 'mac' | 'internal'>): boolean {
  return !internal && mac !== '00:00:00:00:00:00' && !address.startsWith('fe80:');
}
