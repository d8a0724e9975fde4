import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/**
 * Three network namespaces in a row, of which the one in the middle is the only way from one end to the other:
 *
 *     clients 10.97.1.10, .11 ──── 10.97.1.1 relay 10.97.2.1 ──── 10.97.2.10 upstream
 *             fd97:1::10, ::11     fd97:1::1       fd97:2::1      fd97:2::10
 */
export interface Routed {
  readonly clients: Place;
  readonly relay: Place;
  readonly upstream: Place;
  /** To be called however the test ends. */
  stop(): Promise<void>;
}

export interface Place {
  /** What to start for this command to run here. */
  inside(...command: string[]): readonly [command: string, args: readonly string[]];
  run(...command: string[]): Promise<string>;
}

/** Nothing is forwarded in the middle. What docs/forward.md has its host do is left to the test. */
export async function makeRouted(name: string): Promise<Routed> {
  const made: string[] = [];
  const stop = async () => {
    for (const namespace of made.splice(0)) await execute('ip', ['netns', 'delete', namespace]).catch(() => {});
  };
  const add = async (short: string): Promise<Place> => {
    const namespace = `${name}-${short}`;
    await execute('ip', ['netns', 'add', namespace]);
    made.push(namespace);
    const inside = (...command: string[]) => ['nsenter', [`--net=/run/netns/${namespace}`, ...command]] as const;
    const run = (...command: string[]) => execute(...inside(...command));
    await run('ip', 'link', 'set', 'lo', 'up');
    return { inside, run };
  };
  try {
    const [clients, relay, upstream] = [await add('clients'), await add('relay'), await add('upstream')];
    for (const [place, short, net, hosts] of [
      [clients, 'clients', 1, ['10', '11']],
      [upstream, 'upstream', 2, ['10']],
    ] as const) {
      const peer = ['peer', 'name', 'eth0', 'netns', `${name}-${short}`];
      await relay.run('ip', 'link', 'add', `to${net}`, 'type', 'veth', ...peer);
      await relay.run('ip', 'link', 'set', `to${net}`, 'up');
      await place.run('ip', 'link', 'set', 'eth0', 'up');
      await addAddresses(relay, `to${net}`, net, '1');
      for (const host of hosts) await addAddresses(place, 'eth0', net, host);
      await place.run('ip', '-4', 'route', 'add', 'default', 'via', `10.97.${net}.1`);
      await place.run('ip', '-6', 'route', 'add', 'default', 'via', `fd97:${net}::1`);
    }
    return { clients, relay, upstream, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function addAddresses(place: Place, device: string, net: number, host: string): Promise<void> {
  await place.run('ip', 'address', 'add', `10.97.${net}.${host}/24`, 'dev', device);
  await place.run('ip', 'address', 'add', `fd97:${net}::${host}/64`, 'dev', device, 'nodad');
}

/** Not synchronously: tests that run side by side measure time. */
async function execute(command: string, args: readonly string[]): Promise<string> {
  return (await promisify(execFile)(command, args)).stdout.trim();
}
