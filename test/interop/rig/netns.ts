import { type Namespace, Namespaces } from './namespaces.ts';

/** Network namespaces round one bridge, the relay's first. Everything goes with `stop`. */
export interface Lan {
  /** At RELAY_IPV4 and RELAY_IPV6. */
  readonly relay: Site;
  /** A further namespace; `address` is its own, both of 10.99.0.0/16 and of fd99::/64. */
  join(name: string, address: number): Promise<Site>;
  stop(): Promise<void>;
}

export interface Site extends Namespace {
  readonly device: string;
  readonly ipv4: string;
  readonly ipv6: string;
  /** Packets that came over the wire, whatever they were. */
  received(): Promise<number>;
  /** Whether its wire is in the bridge. */
  plug(isIn: boolean): Promise<void>;
}

export const RELAY_IPV4 = '10.99.0.1';
export const RELAY_IPV6 = 'fd99::1';

/** `forXdp`: the relay's device may have a program. */
export async function makeLan(name: string, forXdp = false): Promise<Lan> {
  const spaces = new Namespaces(name);
  const hub = await spaces.add('hub');
  await hub.run('ip', 'link', 'add', 'br0', 'type', 'bridge');
  await hub.run('ip', 'link', 'set', 'br0', 'up');
  const join = async (short: string, address: number, device = 'eth0'): Promise<Site> => {
    const { inside, run } = await spaces.add(short);
    const port = `p${address}`;
    const plug = async (isIn: boolean) =>
      void (await hub.run('ip', 'link', 'set', port, ...(isIn ? ['master', 'br0'] : ['nomaster'])));
    await hub.run('ip', 'link', 'add', port, 'type', 'veth', 'peer', 'name', device, 'netns', spaces.nameOf(short));
    await hub.run('ip', 'link', 'set', port, 'up');
    await plug(true);
    await run('ip', 'link', 'set', device, 'up');
    const ipv4 = `10.99.0.${address}`;
    const ipv6 = `fd99::${address.toString(16)}`;
    await run('ip', 'address', 'add', `${ipv4}/16`, 'dev', device);
    await run('ip', 'address', 'add', `${ipv6}/64`, 'dev', device, 'nodad');
    // A veth sends what a program hands it while its other end has GRO.
    if (forXdp) await hub.run('ethtool', '-K', port, 'gro', 'on');
    const received = async () => {
      const [link] = JSON.parse(await run('ip', '-json', '-statistics', 'link', 'show', 'dev', device));
      return link.stats64.rx.packets;
    };
    return { device, ipv4, ipv6, inside, run, received, plug };
  };
  return {
    relay: await join('relay', 1, 'relay0'),
    join,
    stop: () => spaces.removeAll(),
  };
}

/** Of the text of /proc/net/snmp. */
export function snmpCounter(text: string, protocol: string, counter: string): number {
  const lines = text.split('\n').filter((line) => line.startsWith(`${protocol}:`));
  const [names, values] = lines.map((line) => line.split(' '));
  return Number(values?.[names?.indexOf(counter) ?? -1]);
}
