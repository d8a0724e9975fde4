import { SourceBudget } from '../limiter.ts';
import type { WireguardConfig } from './config.ts';
import { type Core, makeRecalls } from './core.ts';
import { forget, lastSeen } from './members.ts';
import { endSession } from './proofs.ts';
import { endUnproven, unprove } from './proven.ts';
import type { RegisteredKey } from './registry.ts';
import { removeRoute, renewFlows } from './routes.ts';
import { Searches } from './search.ts';

/**
 * A new configuration takes effect at once. Clients that stay allowed notice nothing; those of keys that are gone go with their flows, and
 * with a first list of peers everybody does of whom no key is known. Fewer `maxClients` drive nobody out. The key of the relay itself stays
 * what it was at the start.
 */
export function reconfigure(core: Core, config: WireguardConfig): void {
  const before = core.config;
  core.config = config;
  if (!same(before.initiations, config.initiations)) {
    core.initiationBudget = new SourceBudget(config.initiations, core.random);
  }
  if (!same(before.unasked, config.unasked)) core.unaskedBudget = new SourceBudget(config.unasked, core.random);
  if (!same(before.searches, config.searches)) core.searchBudget = new SourceBudget(config.searches, core.random);
  // What waits to be looked up among keys that are others now comes again in 5 s.
  core.searches = new Searches(config.hashesPerSecond);
  core.recalls = makeRecalls(config, core.random);
  if (before.quota.bytesPerSecond !== config.quota.bytesPerSecond) renewFlows(core);
  removeKeys(core, new Set(core.registry.update(config.peers)));
  const { clients, strangers } = core.table;
  if (config.peers.length > 0) for (const remote of [...clients]) if (remote.keys.length === 0) forget(core, remote);
  for (const remote of clients) core.deadlines.set(remote, lastSeen(core, remote) + config.timeout);
  if (core.proof === undefined || config.proof === undefined) return;
  core.proof.required = config.proof.required;
  if (!core.proof.required) return;
  for (const remote of [...clients, ...strangers.all]) if (remote.proof === undefined) endUnproven(core, remote);
}

/** Without a list whoever is there may stay. */
function removeKeys(core: Core, gone: ReadonlySet<RegisteredKey>): void {
  const { registry, proof, table } = core;
  const hasList = registry.keys.length > 0;
  for (const key of gone) {
    for (const remote of [...key.proven]) unprove(core, remote);
    for (const remote of [...key.remotes]) {
      remote.keys = remote.keys.filter((other) => other !== key);
      core.changes.note(remote);
      if (remote.keys.length === 0 && hasList) forget(core, remote);
    }
    if (proof !== undefined) for (const session of key.sessions) endSession(core, proof, session);
  }
  // Offers and answers that would make somebody a client of such a key.
  for (const remote of [...table.clients, ...table.strangers.all]) {
    for (const route of [...remote.routes.values()]) {
      if (route.key === undefined || !gone.has(route.key)) continue;
      route.key = undefined;
      if (hasList) removeRoute(core, route);
    }
  }
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
