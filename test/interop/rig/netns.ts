import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Network namespaces round one bridge, the relay's first. Everything goes with `stop`. */
export interface Lan {
  /** At RELAY_IPV4 and RELAY_IPV6. */
  readonly relay: Site;
  /** A further namespace; `address` is its own, both of 10.99.0.0/16 and of fd99::/64. */
  join(name: string, address: number): Promise<Site>;
  stop(): Promise<void>;
}

export interface Site {
  readonly device: string;
  readonly ipv4: string;
  readonly ipv6: string;
  /** What to start for this command to run here. Not by "ip netns exec": it mounts file systems, which takes seconds when many do. */
  inside(...command: string[]): readonly [command: string, args: readonly string[]];
  /** Packets that came over the wire, whatever they were. */
  received(): Promise<number>;
  run(...command: string[]): Promise<string>;
  /** Whether its wire is in the bridge. */
  plug(isIn: boolean): Promise<void>;
}

export const RELAY_IPV4 = '10.99.0.1';
export const RELAY_IPV6 = 'fd99::1';

/** `forXdp`: the relay's device may have a program. */
export async function makeLan(name: string, forXdp = false): Promise<Lan> {
  const made: string[] = [];
  const add = async (short: string) => {
    const namespace = `${name}-${short}`;
    await execute('ip', ['netns', 'add', namespace]);
    made.push(namespace);
    const inside = (...command: string[]) => ['nsenter', [`--net=/run/netns/${namespace}`, ...command]] as const;
    const run = (...command: string[]) => execute(...inside(...command));
    await run('ip', 'link', 'set', 'lo', 'up');
    return { namespace, inside, run };
  };
  const hub = await add('hub');
  await hub.run('ip', 'link', 'add', 'br0', 'type', 'bridge');
  await hub.run('ip', 'link', 'set', 'br0', 'up');
  const join = async (short: string, address: number, device = 'eth0'): Promise<Site> => {
    const { namespace, inside, run } = await add(short);
    const port = `p${address}`;
    const plug = async (isIn: boolean) =>
      void (await hub.run('ip', 'link', 'set', port, ...(isIn ? ['master', 'br0'] : ['nomaster'])));
    await hub.run('ip', 'link', 'add', port, 'type', 'veth', 'peer', 'name', device, 'netns', namespace);
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
    async stop() {
      for (const namespace of made.reverse()) await execute('ip', ['netns', 'delete', namespace]);
    },
  };
}

/** Of the text of /proc/net/snmp. */
export function snmpCounter(text: string, protocol: string, counter: string): number {
  const lines = text.split('\n').filter((line) => line.startsWith(`${protocol}:`));
  const [names, values] = lines.map((line) => line.split(' '));
  return Number(values?.[names?.indexOf(counter) ?? -1]);
}

/** Not synchronously: tests that run side by side measure time. */
async function execute(command: string, args: readonly string[]): Promise<string> {
  return (await promisify(execFile)(command, args)).stdout.trim();
}
