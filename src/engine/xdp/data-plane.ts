import { MINUTE, type Millis } from '../../net/time.ts';
import type { BpfObject } from '../../sys/libbpf/object.ts';
import { type Link, linksOf } from '../../sys/links.ts';
import { Attachments } from './attachments.ts';
import { type KernelMaps, kernelMaps } from './kernel-maps.ts';
import { type KernelSettings, readSettings, SETTINGS_BYTES, settingsValue, uint32Key } from './layout.ts';
import { type LoadedObject, type LoadOptions, load, openPins, pinMaps } from './loading.ts';
import { monotonic } from './monotonic.ts';
import { Neighbours } from './neighbours.ts';
import {
  enableLookups,
  FORWARDING_OFF,
  loadObstacle,
  lookupObstacle,
  placeObstacle,
  type XdpObstacle,
} from './obstacle.ts';
import { OwnAddresses } from './own-addresses.ts';
import type { Pins } from './pins.ts';

export interface DataPlaneOptions extends LoadOptions {
  /** Names; all of them or none. */
  readonly interfaces: readonly string[];
  /** Default: native where every interface can, else generic. */
  readonly mode?: 'native' | 'generic' | undefined;
  readonly budget?: SourceBudget | undefined;
  readonly record?: KernelRecord | undefined;
}

/** What a prefix (/24, /64) may send up to userspace, in packets. */
export interface SourceBudget {
  readonly perSecond: number;
  readonly burst: number;
}

/** Remembers what is changed outside the process, for whoever puts it back; the next process may be the one. */
export interface KernelRecord {
  /** A setting under /proc/sys was 0 and is 1. */
  switchedOn(path: string): void;
  putBack(): void;
}

export type DataPlaneResult =
  | { readonly ok: true; readonly plane: DataPlane }
  | { readonly ok: false; readonly obstacle: XdpObstacle };

/**
 * The program on its interfaces, and everything about it that is not flows: own addresses, ways in and out, settings, pins.
 *
 *    open     the program is loaded, with the maps that an earlier process left or, where their layout is another, with new ones. What that
 *             process attached goes on as it is
 *    settle   once the maps hold all that is to go on: the program takes its place, and what else was left goes
 */
export class DataPlane {
  readonly maps: KernelMaps;
  /** Whether maps of an earlier process were found and taken over. */
  readonly adopted: boolean;
  readonly #options: DataPlaneOptions;
  readonly #object: BpfObject;
  readonly #attachments: Attachments;
  readonly #pins: Pins | undefined;
  readonly #own: OwnAddresses;
  readonly #neighbours: Neighbours;
  #exits: ReadonlyMap<number, number> = new Map();
  #settings: KernelSettings;
  #settled = false;

  static open(options: DataPlaneOptions): DataPlaneResult {
    const obstacle = placeObstacle(options.interfaces);
    if (obstacle !== undefined) return { ok: false, obstacle };
    let switched = false;
    const lookupIfindex = enableLookups(options.interfaces, (path) => {
      switched = true;
      options.record?.switchedOn(path);
    });
    if (lookupIfindex === undefined) return { ok: false, obstacle: FORWARDING_OFF };
    const pins = openPins(options);
    let loaded: LoadedObject | undefined;
    let attachments: Attachments | undefined;
    try {
      loaded = load(pins, options);
      if (pins !== undefined) pinMaps(loaded.object, pins);
      const attached = Attachments.open(loaded.program, { ...options, pins });
      if (attached.ok) {
        attachments = attached.attachments;
        const settings = settingsFor(options.budget, lookupIfindex);
        return { ok: true, plane: new DataPlane(options, loaded, attachments, pins, settings) };
      }
      return failed(attached.obstacle);
    } catch (error) {
      return failed(loadObstacle(error));
    }

    function failed(reason: XdpObstacle): DataPlaneResult {
      attachments?.abandon();
      loaded?.object.close();
      if (pins?.live === false) pins.removeAll();
      // What was off until now no program of an earlier process rests on.
      if (switched) options.record?.putBack();
      return { ok: false, obstacle: reason };
    }
  }

  /** Why `open` would fail, as far as that can be known while nothing is attached, pinned or switched on: the program is loaded, and let go. */
  static foresee(interfaces: readonly string[]): XdpObstacle | undefined {
    const obstacle = placeObstacle(interfaces) ?? lookupObstacle(interfaces);
    if (obstacle !== undefined) return obstacle;
    try {
      load(undefined, { mostFlows: 1 }).object.close();
      return undefined;
    } catch (error) {
      return loadObstacle(error);
    }
  }

  private constructor(
    options: DataPlaneOptions,
    { object, adopted }: LoadedObject,
    attachments: Attachments,
    pins: Pins | undefined,
    settings: KernelSettings,
  ) {
    this.#options = options;
    this.#object = object;
    this.maps = kernelMaps(object);
    this.#attachments = attachments;
    this.#pins = pins;
    this.adopted = adopted;
    this.#settings = settings;
    this.#neighbours = new Neighbours(this.maps.neighbours);
    this.#own = new OwnAddresses(this.maps);
    this.#own.refresh();
    this.#resume();
    this.#write();
    this.refresh();
    if (!adopted && !attachments.kept) this.settle();
  }

  /** "native" or "generic"; "off" while the program is on no interface. */
  get mode(): string {
    return this.#attachments.mode;
  }

  /** See above. To be called when every flow that is to go on is in the maps. */
  settle(): void {
    if (this.#settled) return;
    const { log } = this.#options;
    // The process before may have ended, and put everything back, in between.
    this.#enableLookups();
    if (this.#pins !== undefined) pinMaps(this.#object, this.#pins);
    for (const layout of this.#attachments.settle()) {
      log(`the kernel program, and the maps of layout ${layout}, that another version left are replaced`);
    }
    this.#settled = true;
    this.#removeUnknown();
    this.refresh();
  }

  /** Looks again at what others change: addresses of the host and its interfaces, neighbours, and whether each interface still sends what it is handed. */
  refresh(): void {
    this.#own.refresh();
    if (this.#settled) {
      this.#enableLookups();
      this.#attachments.refresh();
      this.#vouch();
      this.#settings = { ...this.#settings, near: this.#own.near, links: this.#links() };
      this.#write();
    }
    this.#refreshExits();
    this.#neighbours.refresh(monotonic());
  }

  /** Off while flows are missing from the kernel: their packets go up rightly. */
  useBudgets(budget: SourceBudget | undefined): void {
    this.#settings = { ...this.#settings, ...budgetSettings(budget) };
    this.#write();
  }

  /** Milliseconds instead of the kernel's clock, for tests. */
  useClock(now: Millis): void {
    this.#settings = { ...this.#settings, clock: now, forwardUntil: 0 };
    this.#write();
  }

  /** `keep`: what is pinned goes on without us. Before `settle` what an earlier process left goes on in any case. */
  close(keep: boolean): void {
    if (!keep) this.#remove();
    this.#attachments.close();
    this.#object.close();
  }

  #remove(): void {
    const alone = !this.adopted && !this.#attachments.kept;
    this.#attachments.abandon();
    if (this.#settled || !this.adopted) this.#pins?.removeAll();
    if (this.#settled || alone) this.#options.record?.putBack();
  }

  /**
   * The process before answered for its flows until some time, 0 = for ever. Before it is known which of them are to go on nobody answers for
   * more: a start that fails, again and again, is no reason that they do. Nor do interfaces go yet that are wanted no more.
   */
  #resume(): void {
    const present = Buffer.alloc(SETTINGS_BYTES);
    const links = this.#links();
    const found = this.adopted && this.maps.settings.lookup(uint32Key(0), present) ? readSettings(present) : NOTHING;
    const others = found.links.filter(({ ifindex }) => links.every((link) => link.ifindex !== ifindex));
    const { near } = this.#own;
    this.#settings = { ...this.#settings, forwardUntil: found.forwardUntil, near, links: [...links, ...others] };
    if (found.forwardUntil === 0) this.#vouch();
  }

  /** In its driver the program runs on the members of a bond. */
  #links(): Link[] {
    return linksOf([...this.#attachments.exits.keys()], this.mode === 'native');
  }

  #enableLookups(): void {
    const { interfaces, record } = this.#options;
    enableLookups(interfaces, (path) => record?.switchedOn(path));
  }

  #vouch(): void {
    if (this.#settings.clock === 0) this.#settings = { ...this.#settings, forwardUntil: monotonic() + ALONE_FOR };
  }

  #write(): void {
    this.maps.settings.update(uint32Key(0), settingsValue(this.#settings));
  }

  /** Addresses and ways out that an earlier process knew. */
  #removeUnknown(): void {
    if (!this.adopted) return;
    this.#own.removeUnknown();
    const { egress } = this.maps;
    for (const key of egress.keys((one) => !this.#exits.has(one.readUInt32LE()))) egress.delete(key);
  }

  #refreshExits(): void {
    const now = this.#attachments.exits;
    for (const [index, exit] of now) {
      if (this.#exits.get(index) !== exit) this.maps.egress.update(uint32Key(index), uint32Key(exit));
    }
    for (const index of this.#exits.keys()) if (!now.has(index)) this.maps.egress.delete(uint32Key(index));
    this.#exits = now;
  }
}

function settingsFor(budget: SourceBudget | undefined, lookupIfindex: number): KernelSettings {
  return {
    clock: 0,
    hopLifetime: HOP_LIFETIME,
    forwardUntil: 0,
    generation: 0,
    lookupIfindex,
    near: [],
    links: [],
    ...budgetSettings(budget),
  };
}

function budgetSettings(budget: SourceBudget | undefined): Pick<KernelSettings, 'budgetInterval' | 'budgetBurst'> {
  if (budget === undefined) return { budgetInterval: 0, budgetBurst: 0 };
  const interval = Math.ceil(SECOND_NS / budget.perSecond);
  return { budgetInterval: interval, budgetBurst: interval * budget.burst };
}

const NOTHING: Pick<KernelSettings, 'forwardUntil' | 'links'> = { forwardUntil: 0, links: [] };
const SECOND_NS = 1e9;
/** How long a route or a neighbour that changed goes unnoticed. */
const HOP_LIFETIME = 1e9;
/**
 * How long flows go on without a process: a client of TURN without an answer has given up by then (RFC 8656 §3.2), and nobody else looks
 * whether what was allowed still is.
 */
const ALONE_FOR = 10 * MINUTE;
