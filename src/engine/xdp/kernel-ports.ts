import type { Flow } from '../../flow/flow.ts';
import { type Family, isWildcard } from '../../net/address.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import type { SocketId } from '../../net/ids.ts';
import type { BpfMap } from '../../sys/libbpf/map.ts';
import { PORT_BITS, portValue, SERVICES, uint32Key } from './layout.ts';

/** What each destination port means to the kernel: whether a socket is bound to it, and which kinds of flows to look for. */
export class KernelPorts {
  readonly #map: BpfMap;
  readonly #sockets = new Map<SocketId, OpenSocket>();
  /** By port: a number names two, one for each family. */
  readonly #ports = new Map<number, Record<Family, PortUse>>();
  /** What an earlier process wrote still holds, for its flows are looked for by it. */
  #adopts: boolean;

  /** `adopts`: until removeUnknown() nothing is taken out of the map. */
  constructor(map: BpfMap, adopts: boolean = false) {
    this.#map = map;
    this.#adopts = adopts;
  }

  /** `budgeted`: packets that no flow takes are charged to their source, as for a listener that everybody may write to. */
  open(socket: SocketId, local: Endpoint, budgeted: boolean): void {
    this.#sockets.set(socket, { local, budgeted });
    this.#change(local, (use) => {
      use.sockets += 1;
      if (isWildcard(local.address)) use.wildcards += 1;
      if (budgeted) use.budgeted += 1;
    });
  }

  close(socket: SocketId): void {
    const opened = this.#sockets.get(socket);
    if (opened === undefined) return;
    this.#sockets.delete(socket);
    this.#change(opened.local, (use) => {
      use.sockets -= 1;
      if (isWildcard(opened.local.address)) use.wildcards -= 1;
      if (opened.budgeted) use.budgeted -= 1;
    });
  }

  /** To be called when the flow is in the kernel, and when it is no more: `by` 1 or -1. */
  count({ match, service }: Flow, by: 1 | -1): void {
    const kind = match.discriminator.kind;
    const use = this.#use(match.local);
    const before = use.flows[kind];
    use.flows[kind] += by;
    const number = SERVICES[service];
    // The map says only whether there are any.
    if (before > 0 && use.flows[kind] > 0 && use.service === number) return;
    use.service = number;
    this.#write(match.local.port);
  }

  /** Ports that an earlier process left open, and kinds of flows that it had. */
  removeUnknown(): void {
    this.#adopts = false;
    const left = new Set(this.#ports.keys());
    for (const { keys, values, count } of this.#map.batches()) {
      for (let index = 0; index < count; index++) {
        if (values.readUInt32LE(index * 4) !== 0) left.add(keys.readUInt32LE(index * 4));
      }
    }
    for (const port of left) this.#write(port);
  }

  #change(local: Endpoint, act: (use: PortUse) => void): void {
    act(this.#use(local));
    this.#write(local.port);
  }

  #use({ port, family }: Endpoint): PortUse {
    let uses = this.#ports.get(port);
    if (uses === undefined) {
      uses = { 4: newUse(), 6: newUse() };
      this.#ports.set(port, uses);
    }
    return uses[family];
  }

  #write(port: number): void {
    const { 4: v4, 6: v6 } = this.#ports.get(port) ?? NO_USES;
    if (isFree(v4) && isFree(v6)) this.#ports.delete(port);
    const value = portValue({ bits4: bitsOf(v4), bits6: bitsOf(v6), service4: v4.service, service6: v6.service });
    const key = uint32Key(port);
    const found = Buffer.alloc(value.length);
    if (this.#adopts && this.#map.lookup(key, found)) addUses(value, found);
    this.#map.update(key, value);
  }
}

interface OpenSocket {
  readonly local: Endpoint;
  readonly budgeted: boolean;
}

interface PortUse {
  sockets: number;
  wildcards: number;
  budgeted: number;
  readonly flows: Record<Flow['match']['discriminator']['kind'], number>;
  service: number;
}

function newUse(): PortUse {
  return { sockets: 0, wildcards: 0, budgeted: 0, flows: { none: 0, channel: 0, receiver: 0 }, service: 0 };
}

const NO_USES: Readonly<Record<Family, PortUse>> = { 4: newUse(), 6: newUse() };

/** Bits of both; the service of who has one. See struct port. */
function addUses(into: Buffer, found: Buffer): void {
  for (const at of [0, 1]) into[at] = (into[at] ?? 0) | (found[at] ?? 0);
  for (const at of [2, 3]) if (into[at] === 0) into[at] = found[at] ?? 0;
}

function isFree({ sockets, flows }: PortUse): boolean {
  return sockets === 0 && flows.none === 0 && flows.channel === 0 && flows.receiver === 0;
}

function bitsOf({ sockets, wildcards, budgeted, flows }: PortUse): number {
  if (sockets === 0) return 0;
  return (
    PORT_BITS.OPEN |
    (flows.channel > 0 ? PORT_BITS.CHANNELS : 0) |
    (flows.receiver > 0 ? PORT_BITS.RECEIVERS : 0) |
    (flows.none > 0 ? PORT_BITS.PLAIN : 0) |
    (wildcards > 0 ? PORT_BITS.WILDCARD : 0) |
    (budgeted > 0 ? PORT_BITS.BUDGETED : 0)
  );
}
