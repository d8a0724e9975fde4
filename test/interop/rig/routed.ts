import { type Namespace, Namespaces } from './namespaces.ts';

/**
 * Three network namespaces in a row, of which the one in the middle is the only way from one end to the other:
 *
 *     clients 10.97.1.10, .11 ──── 10.97.1.1 relay 10.97.2.1 ──── 10.97.2.10 upstream
 *             fd97:1::10, ::11     fd97:1::1       fd97:2::1      fd97:2::10
 */
export interface Routed {
  readonly clients: Namespace;
  readonly relay: Namespace;
  readonly upstream: Namespace;
  /** To be called however the test ends. */
  stop(): Promise<void>;
}

/** Nothing is forwarded in the middle. What docs/forward.md has its host do is left to the test. */
export async function makeRouted(name: string): Promise<Routed> {
  const spaces = new Namespaces(name);
  try {
    const [clients, relay, upstream] = [
      await spaces.add('clients'),
      await spaces.add('relay'),
      await spaces.add('upstream'),
    ];
    for (const [place, short, net, hosts] of [
      [clients, 'clients', 1, ['10', '11']],
      [upstream, 'upstream', 2, ['10']],
    ] as const) {
      const peer = ['peer', 'name', 'eth0', 'netns', spaces.nameOf(short)];
      await relay.run('ip', 'link', 'add', `to${net}`, 'type', 'veth', ...peer);
      await relay.run('ip', 'link', 'set', `to${net}`, 'up');
      await place.run('ip', 'link', 'set', 'eth0', 'up');
      await addAddresses(relay, `to${net}`, net, '1');
      for (const host of hosts) await addAddresses(place, 'eth0', net, host);
      await place.run('ip', '-4', 'route', 'add', 'default', 'via', `10.97.${net}.1`);
      await place.run('ip', '-6', 'route', 'add', 'default', 'via', `fd97:${net}::1`);
    }
    return { clients, relay, upstream, stop: () => spaces.removeAll() };
  } catch (error) {
    await spaces.removeAll();
    throw error;
  }
}

async function addAddresses(place: Namespace, device: string, net: number, host: string): Promise<void> {
  await place.run('ip', 'address', 'add', `10.97.${net}.${host}/24`, 'dev', device);
  await place.run('ip', 'address', 'add', `fd97:${net}::${host}/64`, 'dev', device, 'nodad');
}
