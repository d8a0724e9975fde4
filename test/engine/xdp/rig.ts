import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { KernelFlows } from '../../../src/engine/xdp/kernel-flows.ts';
import { type KernelMaps, kernelMaps, PROGRAM } from '../../../src/engine/xdp/kernel-maps.ts';
import {
  addressKey,
  COUNTER_BYTES,
  EXITS,
  type KernelSettings,
  PORT_BITS,
  portValue,
  readNumber,
  SERVICES,
  settingsValue,
  uint32Key,
} from '../../../src/engine/xdp/layout.ts';
import { REASONS, type Reason } from '../../../src/engine/xdp/reasons.ts';
import type { ServiceName } from '../../../src/flow/flow.ts';
import { BpfObject } from '../../../src/sys/libbpf/object.ts';
import type { BpfProgram, TestRun } from '../../../src/sys/libbpf/program.ts';
import type { Link } from '../../../src/sys/links.ts';
import { macBytes, RELAY_MAC } from './frames.ts';
import { enterNamespace, ip } from './namespace.ts';

const OBJECT: string = fileURLToPath(new URL('../../../bpf/relay.bpf.o', import.meta.url));

/** Addresses of the relay. */
export const RELAY4 = '192.0.2.1';
export const RELAY6 = '2001:db8::1';
/** Others on the link, whose hardware address is known. */
export const NEIGHBOURS4: readonly string[] = ['192.0.2.10', '192.0.2.11'];
export const NEIGHBOURS6: readonly string[] = ['2001:db8::10', '2001:db8::11'];
/** Behind the router, and where it is. */
export const FAR4 = '198.51.100.7';
export const FAR6 = '2001:db8:99::7';
/** On the link, and unknown. */
export const SILENT4 = '192.0.2.99';

/**
 * The kernel's program with a network of its own, in which nothing is sent: frames go in by BPF_PROG_TEST_RUN.
 *
 *    relay0 192.0.2.1, 2001:db8::1 ── neighbours (permanent entries), router ── far away
 */
export class KernelRig {
  readonly #object: BpfObject;
  readonly program: BpfProgram;
  readonly maps: KernelMaps;
  flows: KernelFlows;
  readonly #relay0: number;
  readonly #links: readonly Link[];
  readonly #opened = new Set<number>();
  /** Milliseconds of the kernel's clock, for `settings`. */
  now = 1_000_000;
  settings: KernelSettings = { clock: 0, ...AT_FIRST, near: [], links: [] };

  constructor(sizes: Readonly<Record<string, number>> = {}) {
    this.#object = BpfObject.open(readFileSync(OBJECT));
    for (const map of ['flows4', 'flows6', 'receivers4', 'receivers6', 'buckets']) {
      this.#object.resize(map, sizes[map] ?? 4096);
    }
    this.program = this.#object.load(PROGRAM);
    this.maps = kernelMaps(this.#object);
    this.flows = new KernelFlows(this.maps, { now: () => this.now });
    this.#relay0 = ifindex('relay0');
    // Test runs come in by lo, unless they say otherwise.
    this.#links = [1, this.#relay0].map((index) => ({ ifindex: index, address: macBytes(RELAY_MAC) }));
    this.reset();
  }

  /** As it was at first; loading takes a tenth of a second. Counters go on. */
  reset(): void {
    const { flows, own4, own6, egress, buckets, budgets, neighbours } = this.maps;
    for (const map of [...Object.values(flows), own4, own6, egress, buckets, budgets, neighbours]) {
      for (const key of map.keys()) map.delete(key);
    }
    for (const port of this.#opened) this.open(port, 'turn', 0);
    this.flows = new KernelFlows(this.maps, { now: () => this.now });
    this.own(RELAY4, RELAY6);
    this.leaveBy(this.#relay0);
    this.set({ ...AT_FIRST, near: [RELAY4, RELAY6], links: this.#links });
  }

  own(...addresses: readonly string[]): void {
    for (const address of addresses) {
      const key = addressKey(address);
      (key.length === 4 ? this.maps.own4 : this.maps.own6).update(key, uint32Key(1));
    }
  }

  leaveBy(index: number, exit: number = EXITS.TRANSMIT): void {
    this.maps.egress.update(uint32Key(index), uint32Key(exit));
  }

  set(settings: Partial<KernelSettings>): void {
    this.settings = { ...this.settings, clock: this.now, ...settings };
    this.maps.settings.update(uint32Key(0), settingsValue(this.settings));
  }

  /** Every kind of flow is looked for, unless told otherwise. */
  open(port: number, service: ServiceName, bits: number = EVERY_KIND): void {
    this.#opened.add(port);
    const value = { bits4: bits, bits6: bits, service4: SERVICES[service], service6: SERVICES[service] };
    this.maps.ports.update(uint32Key(port), portValue(value));
  }

  run(frame: Buffer, ifindex?: number): TestRun {
    return this.program.testRun(frame, ifindex === undefined ? {} : { ifindex });
  }

  /** Packets by reason, all services together. */
  counts(): Map<Reason, number> {
    const counts = new Map<Reason, number>();
    for (const { keys, values, count } of this.maps.counters.batches()) {
      const bytes = this.maps.counters.lookupBytes;
      for (let row = 0; row < count; row++) {
        const reason = REASONS[keys.readUInt32LE(row * 4) % REASONS.length];
        let packets = 0;
        for (let at = row * bytes; at < (row + 1) * bytes; at += COUNTER_BYTES) packets += readNumber(values, at);
        if (packets > 0 && reason !== undefined) counts.set(reason, (counts.get(reason) ?? 0) + packets);
      }
    }
    return counts;
  }

  /** What `act` adds to the counters. */
  counted(act: () => void): Record<string, number> {
    const before = this.counts();
    act();
    const added: Record<string, number> = {};
    for (const [reason, count] of this.counts()) {
      const more = count - (before.get(reason) ?? 0);
      if (more > 0) added[reason] = more;
    }
    return added;
  }

  close(): void {
    this.#object.close();
  }
}

/** The network of the rig, in a namespace that this process enters. Once, before the first KernelRig. */
export function setUpNetwork(): void {
  enterNamespace();
  ip('link', 'add', 'relay0', 'address', RELAY_MAC, 'type', 'veth', 'peer', 'name', 'others0');
  for (const name of ['relay0', 'others0']) ip('link', 'set', name, 'up');
  ip('address', 'add', `${RELAY4}/24`, 'dev', 'relay0');
  ip('address', 'add', `${RELAY6}/64`, 'dev', 'relay0', 'nodad');
  for (const [index, address] of [...NEIGHBOURS4, ...NEIGHBOURS6, ROUTER4, ROUTER6].entries()) {
    ip('neigh', 'replace', address, 'lladdr', macOf(index), 'dev', 'relay0', 'nud', 'permanent');
  }
  ip('route', 'add', FAR4, 'via', ROUTER4);
  ip('route', 'add', FAR6, 'via', ROUTER6);
  // A look-up as of a packet of this host's own: no interface that takes packets in need forward any.
  writeFileSync('/proc/sys/net/ipv4/conf/lo/forwarding', '1');
  writeFileSync('/proc/sys/net/ipv6/conf/lo/forwarding', '1');
}

/** The hardware address of the next hop to an address of the rig. */
export function nextHopMac(address: string): string {
  const via = address === FAR4 ? ROUTER4 : address === FAR6 ? ROUTER6 : address;
  return macOf([...NEIGHBOURS4, ...NEIGHBOURS6, ROUTER4, ROUTER6].indexOf(via));
}

export function ifindex(name: string): number {
  // Not from /sys, which shows the namespace that it was mounted in.
  const [link] = JSON.parse(ip('-json', 'link', 'show', name)) as { ifindex: number }[];
  return link?.ifindex ?? 0;
}

const ROUTER4 = '192.0.2.254';
const ROUTER6 = '2001:db8::fe';
const { OPEN, CHANNELS, RECEIVERS, PLAIN } = PORT_BITS;
const EVERY_KIND: number = OPEN | CHANNELS | RECEIVERS | PLAIN;

function macOf(index: number): string {
  return `02:00:00:00:01:${index.toString(16).padStart(2, '0')}`;
}

const AT_FIRST = {
  hopLifetime: 0,
  budgetInterval: 0,
  budgetBurst: 0,
  forwardUntil: 0,
  generation: 0,
  lookupIfindex: 1,
} as const;
