import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import type { Engine } from '../../../src/engine/engine.ts';
import { createPortableEngine } from '../../../src/engine/portable/portable.ts';
import { createXdpEngine, type XdpEngine, type XdpOptions, type XdpResult } from '../../../src/engine/xdp/xdp.ts';
import type { Flow } from '../../../src/flow/flow.ts';
import type { Family } from '../../../src/net/address.ts';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import { IdSource, type SocketId } from '../../../src/net/ids.ts';
import { Peer } from '../conformance/peer.ts';
import { mountOwnBpf } from './namespace.ts';
import { TwoSides } from './two-sides.ts';

export interface Bound {
  readonly id: SocketId;
  readonly local: Endpoint;
}

/** Engines on one side of a veth, above the portable one, and peers on the other. */
export class EngineRig {
  readonly network = new TwoSides();
  readonly ids = new IdSource();
  readonly sink = SINK;
  logged: string[] = [];
  /** Those that are to be closed after a test. */
  engines: XdpEngine[] = [];
  /** The engine below the last one. */
  inner: Engine | undefined = undefined;
  readonly #peers: Peer[] = [];

  constructor() {
    mountOwnBpf();
  }

  create(options: Partial<XdpOptions> = {}): XdpResult {
    const result = createXdpEngine({
      sink: SINK,
      createInner: (sink) => {
        const inner = createPortableEngine({ sink, ids: this.ids });
        this.inner = inner;
        return inner;
      },
      interfaces: ['relay0'],
      mostFlows: 64,
      log: (message) => this.logged.push(message),
      ...options,
    });
    if (result.ok) this.engines.push(result.engine);
    return result;
  }

  started(options: Partial<XdpOptions> = {}): XdpEngine {
    const result = this.create(options);
    assert.ok(result.ok, JSON.stringify(result));
    return result.engine;
  }

  /** As a process that ends and leaves what is pinned. */
  async leave(engine: XdpEngine): Promise<void> {
    this.engines = this.engines.filter((one) => one !== engine);
    await engine.leave();
  }

  async peer(family: Family): Promise<Peer> {
    const opened = await Peer.open(family, this.network);
    this.#peers.push(opened);
    return opened;
  }

  async listen(engine: Engine, local: Endpoint): Promise<Bound> {
    const id = this.ids.socket();
    const result = await engine.listen(id, { transport: 'udp', local });
    assert.ok(result.ok);
    return { id, local: result.local };
  }

  flow(at: Bound, from: Endpoint, via: Bound, to: Endpoint): Flow {
    return {
      id: this.ids.flow(),
      service: 'forward',
      direction: 'to_peer',
      match: { socket: at.id, local: at.local, remote: from, discriminator: { kind: 'none' } },
      rewrite: { socket: via.id, local: via.local, remote: to, encapsulation: { kind: 'keep' } },
      idle: 0,
    };
  }

  here(family: Family, port = 0): Endpoint {
    return { family, address: this.network.engine(family), port };
  }

  /** A client and a peer with a flow between them; one packet has gone, so that neighbours are known. */
  async joined(engine: XdpEngine, inside: Family = 4, outside: Family = 4) {
    const [client, target] = [await this.peer(inside), await this.peer(outside)];
    const [at, via] = [await this.listen(engine, this.here(inside)), await this.listen(engine, this.here(outside))];
    const installed = this.flow(at, client.local, via, target.local);
    engine.addFlow(installed);
    await client.send(at.local, 'first');
    await target.expect('first', via.local);
    return { client, target, at, via, installed };
  }

  /** After each test. */
  async reset(): Promise<void> {
    for (const engine of this.engines) await engine.close();
    this.engines = [];
    this.logged = [];
    this.network.setPeerGro(true);
  }

  close(): void {
    for (const peer of this.#peers) peer.close();
    this.network.other.close();
  }
}

/** Everything in the bpf file system but folders. */
export function pinned(): string[] {
  return readdirSync('/sys/fs/bpf', { recursive: true })
    .map(String)
    .filter((name) => name.split('/').length > 3);
}

const SINK = {
  datagram: () => undefined,
  portOpened: () => undefined,
  flowIdle: () => undefined,
  streamOpened: () => undefined,
  streamConnected: () => undefined,
  streamData: () => undefined,
  streamClosed: () => undefined,
};
