import { createHash } from 'node:crypto';
import { closeSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Millis } from '../../net/time.ts';
import { openPinned, pin } from '../../sys/libbpf/link.ts';
import { BpfObject } from '../../sys/libbpf/object.ts';
import { Attachments } from './attachments.ts';
import { type KernelMaps, kernelMaps, MAP_NAMES, PROGRAM } from './kernel-maps.ts';
import { addressKey, type KernelSettings, settingsValue, uint32Key } from './layout.ts';
import {
  enableLookups,
  FORWARDING_OFF,
  loadObstacle,
  lookupObstacle,
  placeObstacle,
  type XdpObstacle,
} from './obstacle.ts';
import { Pins } from './pins.ts';

export interface DataPlaneOptions {
  /** Names; all of them or none. */
  readonly interfaces: readonly string[];
  /** Of the pins: what belongs to one running relay. Undefined: nothing outlives the process. */
  readonly instance?: string | undefined;
  /** Default: native where every interface can, else generic. */
  readonly mode?: 'native' | 'generic' | undefined;
  /** Flows of each family; their receivers come beside it. Default 1,048,576. */
  readonly mostFlows?: number | undefined;
  readonly budget?: SourceBudget | undefined;
  readonly log: (message: string) => void;
}

/** What a prefix (/24, /64) may send up to userspace, in packets. */
export interface SourceBudget {
  readonly perSecond: number;
  readonly burst: number;
}

export type DataPlaneResult =
  | { readonly ok: true; readonly plane: DataPlane }
  | { readonly ok: false; readonly obstacle: XdpObstacle };

/** The program on its interfaces, and everything about it that is not flows: own addresses, ways out, settings, pins. */
export class DataPlane {
  readonly maps: KernelMaps;
  /** Whether maps of an earlier process were found and taken over. */
  readonly adopted: boolean;
  readonly #object: BpfObject;
  readonly #attachments: Attachments;
  readonly #pins: Pins | undefined;
  readonly #own = new Set<string>();
  #exits: ReadonlyMap<number, number> = new Map();
  #settings: KernelSettings;

  static open(options: DataPlaneOptions): DataPlaneResult {
    const obstacle = placeObstacle(options.interfaces);
    if (obstacle !== undefined) return { ok: false, obstacle };
    const lookupIfindex = enableLookups(options.interfaces);
    if (lookupIfindex === undefined) return { ok: false, obstacle: FORWARDING_OFF };
    const bytes = readFileSync(OBJECT);
    const pins = openPins(options, bytes);
    const object = BpfObject.open(bytes);
    try {
      const adopted = prepareMaps(object, pins, options.mostFlows);
      const program = object.load(PROGRAM);
      const maps = kernelMaps(object);
      if (pins !== undefined) pinMaps(object, pins);
      const attached = Attachments.open(program, { ...options, pins });
      if (!attached.ok) {
        if (!adopted) pins?.removeAll();
        object.close();
        return attached;
      }
      const settings = settingsFor(options.budget, lookupIfindex);
      return { ok: true, plane: new DataPlane(object, maps, attached.attachments, pins, adopted, settings) };
    } catch (error) {
      object.close();
      return { ok: false, obstacle: loadObstacle(error) };
    }
  }

  /** Why `open` would fail, as far as that can be known while nothing is attached, pinned or switched on: the program is loaded, and let go. */
  static foresee(interfaces: readonly string[]): XdpObstacle | undefined {
    const obstacle = placeObstacle(interfaces) ?? lookupObstacle(interfaces);
    if (obstacle !== undefined) return obstacle;
    const object = BpfObject.open(readFileSync(OBJECT));
    try {
      prepareMaps(object, undefined, 1);
      object.load(PROGRAM);
      return undefined;
    } catch (error) {
      return loadObstacle(error);
    } finally {
      object.close();
    }
  }

  private constructor(
    object: BpfObject,
    maps: KernelMaps,
    attachments: Attachments,
    pins: Pins | undefined,
    adopted: boolean,
    settings: KernelSettings,
  ) {
    this.#object = object;
    this.maps = maps;
    this.#attachments = attachments;
    this.#pins = pins;
    this.adopted = adopted;
    this.#settings = settings;
    this.#write();
    this.refresh();
  }

  /** "native" or "generic". */
  get mode(): string {
    return this.#attachments.mode;
  }

  /** Looks again at what others change: the host's addresses, and whether each interface still sends what it is handed. */
  refresh(): void {
    this.#attachments.refresh();
    this.#refreshExits();
    this.#refreshOwn();
  }

  /** Off while flows are missing from the kernel: their packets go up rightly. */
  useBudgets(budget: SourceBudget | undefined): void {
    this.#settings = { ...this.#settings, ...budgetSettings(budget) };
    this.#write();
  }

  /** Milliseconds instead of the kernel's clock, for tests. */
  useClock(now: Millis): void {
    this.#settings = { ...this.#settings, clock: now };
    this.#write();
  }

  /** `keep`: what is pinned goes on without us. */
  close(keep: boolean): void {
    if (!keep) this.#pins?.removeAll();
    this.#attachments.close();
    this.#object.close();
  }

  #write(): void {
    this.maps.settings.update(uint32Key(0), settingsValue(this.#settings));
  }

  #refreshExits(): void {
    const now = this.#attachments.exits;
    for (const [index, exit] of now) {
      if (this.#exits.get(index) !== exit) this.maps.egress.update(uint32Key(index), uint32Key(exit));
    }
    for (const index of this.#exits.keys()) if (!now.has(index)) this.maps.egress.delete(uint32Key(index));
    this.#exits = now;
  }

  #refreshOwn(): void {
    const now = new Set(
      Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address)),
    );
    for (const address of now)
      if (!this.#own.has(address)) this.#ownMap(address).update(addressKey(address), uint32Key(1));
    for (const address of this.#own) if (!now.has(address)) this.#ownMap(address).delete(addressKey(address));
    this.#own.clear();
    for (const address of now) this.#own.add(address);
  }

  #ownMap(address: string): KernelMaps['own4'] {
    return address.includes(':') ? this.maps.own6 : this.maps.own4;
  }
}

function openPins({ instance, log }: DataPlaneOptions, object: Uint8Array): Pins | undefined {
  if (instance === undefined) return undefined;
  const version = createHash('sha256').update(object).digest('hex').slice(0, 16);
  const found = Pins.open(instance, version);
  if (found === undefined)
    log(
      'no bpf file system at /sys/fs/bpf, and none can be mounted: the kernel forwards no longer than this process runs',
    );
  for (const name of found?.stale ?? []) log(`removed what version ${name} of the kernel program had left running`);
  return found?.pins;
}

/** Takes over maps that are pinned, and sizes the others. Returns whether there were any. */
function prepareMaps(object: BpfObject, pins: Pins | undefined, mostFlows = MOST_FLOWS): boolean {
  let adopted = false;
  for (const name of MAP_NAMES) {
    if (pins?.has(name)) {
      const fd = openPinned(pins.of(name));
      object.adopt(name, fd);
      closeSync(fd);
      adopted = true;
    } else if (name in SHARES) {
      object.resize(name, Math.max(1, Math.ceil(mostFlows * (SHARES[name] ?? 1))));
    }
  }
  return adopted;
}

function pinMaps(object: BpfObject, pins: Pins): void {
  for (const name of MAP_NAMES) if (!pins.has(name)) pin(object.map(name).fd, pins.of(name));
}

function settingsFor(budget: SourceBudget | undefined, lookupIfindex: number): KernelSettings {
  return { clock: 0, hopLifetime: HOP_LIFETIME, generation: 0, lookupIfindex, ...budgetSettings(budget) };
}

function budgetSettings(budget: SourceBudget | undefined): Pick<KernelSettings, 'budgetInterval' | 'budgetBurst'> {
  if (budget === undefined) return { budgetInterval: 0, budgetBurst: 0 };
  const interval = Math.ceil(SECOND_NS / budget.perSecond);
  return { budgetInterval: interval, budgetBurst: interval * budget.burst };
}

const OBJECT: string = fileURLToPath(new URL('../../../bpf/relay.bpf.o', import.meta.url));
const MOST_FLOWS = 1 << 20;
/** Of the number of flows. An IPv4 one may be in each. */
const SHARES: Readonly<Record<string, number>> = {
  flows4: 1,
  flows6: 1,
  receivers4: 0.25,
  receivers6: 0.25,
  buckets: 1,
};
const SECOND_NS = 1e9;
/** How long a route or a neighbour that changed goes unnoticed. */
const HOP_LIFETIME = 1e9;
