import type {
  BlockOutcome,
  BlockView,
  ClientView,
  DrainReport,
  FlowView,
  ForwardView,
  ListenerView,
  Operations,
  ReloadReport,
  ResumeOutcome,
  ServiceView,
  Status,
  Traffic,
} from '../control/admin/operations.ts';
import type { Direction, ServiceName } from '../flow/flow.ts';
import { type Endpoint, endpointKey } from '../net/endpoint.ts';
import type { Blocks } from './blocks.ts';
import type { Driver } from './driver.ts';
import type { ForwardHost } from './forward-host.ts';
import type { ServiceHost } from './host.ts';
import { viewClient, viewFlow, viewUpstream } from './views.ts';

export interface OperatingParts {
  readonly version: string;
  readonly stateFolder: string;
  readonly engineWhy: string;
  readonly driver: Driver;
  readonly blocks: Blocks;
  readonly hosts: () => readonly ServiceHost[];
  readonly forward: () => ForwardHost | undefined;
  readonly admin: () => Endpoint | undefined;
  readonly state: () => Status['state'];
  readonly reload: () => Promise<ReloadReport>;
  /** Starts the drain. */
  readonly drain: () => void;
  readonly resume: () => ResumeOutcome;
}

/** A running relay as it is seen and worked from outside: what the API and the commands ask for. */
export class Operating implements Operations {
  readonly #parts: OperatingParts;
  readonly #startedAt = Date.now();
  readonly #begun = performance.now();

  constructor(parts: OperatingParts) {
    this.#parts = parts;
  }

  status(): Status {
    const { version, stateFolder, engineWhy, driver, blocks, hosts, admin, state } = this.#parts;
    const { name, mode } = driver.engine;
    const stats = driver.engine.stats();
    const local = admin();
    return {
      version,
      pid: process.pid,
      state: state(),
      startedAt: new Date(this.#startedAt).toISOString(),
      uptimeSeconds: Math.floor((performance.now() - this.#begun) / 1000),
      stateFolder,
      engine: { name, mode, why: engineWhy },
      listeners: this.#listeners(),
      admin: local === undefined ? null : endpointKey(local),
      services: hosts().map((host) => viewService(host, stats)),
      forwards: this.#forwards(),
      engineDrops: Object.fromEntries(stats.drops.get('engine') ?? []),
      blocks: { count: blocks.size, refused: blocks.list.refused },
      drain: state() === 'draining' ? this.#drainReport() : null,
    };
  }

  *clients(service: ServiceName | undefined): Iterable<ClientView> {
    for (const host of this.#parts.hosts()) {
      if (service !== undefined && host.service.name !== service) continue;
      for (const record of host.service.clients()) yield viewClient(record);
    }
  }

  *flows(service: ServiceName | undefined): Iterable<FlowView> {
    for (const report of this.#parts.driver.engine.flows()) {
      if (service === undefined || report.flow.service === service) yield viewFlow(report);
    }
  }

  blocks(): BlockView[] {
    return this.#parts.blocks.views();
  }

  block(prefix: string, until: number | undefined, note: string): BlockOutcome {
    return this.#parts.blocks.add(prefix, until, note);
  }

  unblock(prefix: string): BlockOutcome {
    return this.#parts.blocks.remove(prefix);
  }

  reload(): Promise<ReloadReport> {
    return this.#parts.reload();
  }

  drain(): DrainReport {
    this.#parts.drain();
    return this.#drainReport();
  }

  resume(): ResumeOutcome {
    return this.#parts.resume();
  }

  #drainReport(): DrainReport {
    const services = this.#parts.hosts().map((host) => {
      const { name, clientsLeft } = host.service;
      return { service: name, left: clientsLeft, drains: host.keepsClients !== true };
    });
    const left = services.reduce((sum, one) => sum + (one.drains ? one.left : 0), 0);
    return { left, services };
  }

  #listeners(): ListenerView[] {
    const { hosts, forward } = this.#parts;
    const named = (forward()?.forwards() ?? []).map(({ name, place, local }): ListenerView => {
      const [transport = '', path = ''] = place.split('://');
      return { service: 'forward', transport, local: transport === 'unix' ? path : endpointKey(local), name };
    });
    const others = hosts().flatMap(({ service, bound }) =>
      bound.map(
        ({ transport, local }): ListenerView => ({ service: service.name, transport, local: endpointKey(local) }),
      ),
    );
    return [...others, ...named];
  }

  #forwards(): ForwardView[] {
    const { forwards = [] } = this.#parts.forward()?.metrics() ?? {};
    return forwards.map(({ name, transport, down, inUse, counts, upstreams }) => ({
      name,
      transport,
      down,
      inUse,
      connected: counts.connected,
      failed: counts.failed,
      upstreams: upstreams.map(viewUpstream),
    }));
  }
}

/** What the service did itself and what the engine did for it, together. */
function viewService(host: ServiceHost, stats: ReturnType<Driver['engine']['stats']>): ServiceView {
  const { name } = host.service;
  const { clients, drops, traffic } = host.metrics();
  const moved = (direction: Direction): Traffic => {
    const counts = [...traffic, ...stats.traffic].filter(
      (count) => count.service === name && count.direction === direction,
    );
    return {
      packets: counts.reduce((sum, { packets }) => sum + packets, 0),
      bytes: counts.reduce((sum, { bytes }) => sum + bytes, 0),
    };
  };
  const all: Record<string, number> = {};
  for (const [reason, count] of [...drops, ...(stats.drops.get(name) ?? [])]) all[reason] = (all[reason] ?? 0) + count;
  return {
    service: name,
    clients,
    flows: stats.flows.get(name) ?? 0,
    toPeer: moved('to_peer'),
    toClient: moved('to_client'),
    drops: all,
  };
}
