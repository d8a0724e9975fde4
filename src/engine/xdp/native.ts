import { existsSync } from 'node:fs';
import { interfaceIndex, xdpAbilities } from '../../sys/interfaces.ts';

/** Why not every interface runs it in its driver. Of a kernel that does not say (before 6.3) only hardware is trusted. */
export function nativeObstacle(interfaces: readonly string[]): string | undefined {
  for (const name of interfaces) {
    const abilities = xdpAbilities(interfaceIndex(name));
    if (abilities === undefined && !isHardware(name)) {
      return `Linux before 6.3 does not say whether ${name} sends what is redirected to it`;
    }
    if (abilities?.native === false) return `the driver of ${name} has no XDP`;
    if (abilities?.transmit === false) {
      return `${name} would drop what is redirected to it (a veth sends while its peer has an XDP program or GRO: ethtool -K <peer> gro on)`;
    }
  }
  return undefined;
}

/** /sys may show another network namespace; then nothing is taken for hardware. */
export function isHardware(name: string): boolean {
  return existsSync(`/sys/class/net/${name}/device`);
}
