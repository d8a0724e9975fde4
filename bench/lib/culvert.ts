import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Arena, relayCommand } from './arena.ts';
import { type Child, run, start } from './child.ts';
import { root } from './paths.ts';
import { said } from './relay.ts';

/** As a user would run it: the command, a configuration file. `configuration` is one section or more. */
export function startCulvert(arena: Arena, engine: string, configuration: object): Child {
  const folder = mkdtempSync(join(arena.scratch, 'culvert-'));
  const file = join(folder, 'culvert.yaml');
  // The load is one machine with thousands of clients: budgets for sources must not be what is measured.
  const whole = {
    engine,
    state: join(folder, 'state'),
    public: { ipv4: arena.topology.relayFront },
    admin: { listen: 'off' },
    limits: { connections: 100_000, unauthenticated: { perAddress: 1_000_000, perPrefix: 1_000_000 } },
    log: { level: 'warn', format: 'json' },
    ...configuration,
  };
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(whole, undefined, 2), { mode: 0o600 });
  const launcher = join(root, 'bin/culvert.mjs');
  const command = [process.execPath, ...arena.nodeFlags, launcher, 'up', '--config', file];
  const child = start(relayCommand(arena, command));
  if (engine !== 'xdp') return child;
  // What it left in the kernel would stay there, though the interfaces go.
  const purge = [process.execPath, launcher, 'down', '--purge', '--config', file];
  const stop = async () => {
    await child.stop();
    await run(purge);
  };
  return { ...child, stop };
}

export function culvertVersion(engine: string): string {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const commit = said('git', '-C', root, 'describe', '--always', '--dirty', '--exclude', '*') || 'no commit';
  return `${version} (${commit}), ${engine} engine`;
}
