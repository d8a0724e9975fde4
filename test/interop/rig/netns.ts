import { execFileSync } from 'node:child_process';

/** Network namespaces round one bridge, which has an address of its own in the first of them. Everything goes with `stop`. */
export interface Lan {
  /** Namespace of the bridge. */
  readonly hub: string;
  /** A further namespace; `address` is its own, both of 10.99.0.0/16 and of fd99::/64. */
  join(name: string, address: number): Site;
  stop(): void;
}

export interface Site {
  readonly namespace: string;
  readonly ipv4: string;
  readonly ipv6: string;
  /** Packets that came over the wire, whatever they were. */
  received(): number;
  run(...command: string[]): string;
}

export const HUB_IPV4 = '10.99.0.1';
export const HUB_IPV6 = 'fd99::1';
const HUB_MAC = '02:00:00:00:00:01';

export function makeLan(name: string): Lan {
  const made: string[] = [];
  const hub = `${name}-hub`;
  const add = (namespace: string) => {
    ip('netns', 'add', namespace);
    made.push(namespace);
    ip('-n', namespace, 'link', 'set', 'lo', 'up');
  };
  add(hub);
  // An address of its own: a bridge without one takes the lowest of its ports, and changes it when one joins.
  ip('-n', hub, 'link', 'add', 'br0', 'address', HUB_MAC, 'type', 'bridge');
  ip('-n', hub, 'link', 'set', 'br0', 'up');
  ip('-n', hub, 'address', 'add', `${HUB_IPV4}/16`, 'dev', 'br0');
  ip('-n', hub, 'address', 'add', `${HUB_IPV6}/64`, 'dev', 'br0', 'nodad');
  return {
    hub,
    join(short, address) {
      const namespace = `${name}-${short}`;
      const port = `p${address}`;
      add(namespace);
      ip('-n', hub, 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
      ip('-n', hub, 'link', 'set', port, 'master', 'br0', 'up');
      ip('-n', namespace, 'link', 'set', 'eth0', 'up');
      const ipv4 = `10.99.0.${address}`;
      const ipv6 = `fd99::${address.toString(16)}`;
      ip('-n', namespace, 'address', 'add', `${ipv4}/16`, 'dev', 'eth0');
      ip('-n', namespace, 'address', 'add', `${ipv6}/64`, 'dev', 'eth0', 'nodad');
      const run = (...command: string[]) => ip('netns', 'exec', namespace, ...command);
      const received = () => Number(run('cat', '/sys/class/net/eth0/statistics/rx_packets'));
      return { namespace, ipv4, ipv6, run, received };
    },
    stop() {
      for (const namespace of made.reverse()) ip('netns', 'delete', namespace);
    },
  };
}

function ip(...args: readonly string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}
