import { basename } from 'node:path';
import { SystemError } from '../../sys/errno.ts';
import { interfaceIndex } from '../../sys/interfaces.ts';
import { XdpLink, type XdpMode } from '../../sys/libbpf/link.ts';
import type { BpfProgram } from '../../sys/libbpf/program.ts';
import { EXITS } from './layout.ts';
import { isHardware, nativeObstacle } from './native.ts';
import type { XdpObstacle } from './obstacle.ts';
import type { Pins } from './pins.ts';

export interface AttachOptions {
  readonly interfaces: readonly string[];
  readonly mode?: XdpMode | undefined;
  readonly pins: Pins | undefined;
  readonly log: (message: string) => void;
}

export type AttachResult =
  | { readonly ok: true; readonly attachments: Attachments }
  | { readonly ok: false; readonly obstacle: XdpObstacle };

/**
 * The program on every interface, in one mode: native where all of them run programs in their driver and send what they are handed, else
 * generic. A native program that redirects to an interface that does not send would be a black hole.
 *
 * Where a program of an earlier process is attached that one goes on until `settle`, with the maps that it has, in the mode that it has.
 */
export class Attachments {
  readonly #program: BpfProgram;
  readonly #options: AttachOptions;
  /** Interfaces that were deleted. */
  readonly #gone = new Set<string>();
  #mode: XdpMode;
  #links: ReadonlyMap<string, Attached>;

  static open(program: BpfProgram, options: AttachOptions): AttachResult {
    const found = findLinks(options);
    const kept = [...found.values()][0]?.mode;
    const failures: string[] = [];
    for (const mode of kept === undefined ? wishes(options) : [kept]) {
      const links = attachAll(program, mode, options, found);
      if (typeof links !== 'string') return { ok: true, attachments: new Attachments(program, options, mode, links) };
      // An interface that is new may not be able to do what the others do: `settle` finds a mode for all.
      if (kept !== undefined) return { ok: true, attachments: new Attachments(program, options, mode, found) };
      failures.push(`${mode}: ${links}`);
    }
    return { ok: false, obstacle: { reason: 'attach', detail: failures.join('; '), fix: FIX } };
  }

  private constructor(
    program: BpfProgram,
    options: AttachOptions,
    mode: XdpMode,
    links: ReadonlyMap<string, Attached>,
  ) {
    this.#program = program;
    this.#options = options;
    this.#mode = mode;
    this.#links = links;
  }

  get mode(): XdpMode | 'off' {
    return this.#links.size > 0 ? this.#mode : 'off';
  }

  /** Whether programs of an earlier process go on. */
  get kept(): boolean {
    return [...this.#links.values()].some(({ kept }) => kept !== undefined);
  }

  /** How each interface sends, by index. Hardware sends back at once; a veth would keep it, see enum exit in bpf/layout.h. */
  get exits(): ReadonlyMap<number, number> {
    return new Map(
      [...this.#links].map(([name, { ifindex }]) => [ifindex, isHardware(name) ? EXITS.TRANSMIT : EXITS.REDIRECT]),
    );
  }

  /**
   * The maps hold all that is to go on: our program takes the place of earlier ones, between two packets. Links and pins that are not ours by
   * then go. Where the mode has to change packets go through userspace for a moment. Returns the layouts that were replaced.
   */
  settle(): string[] {
    const { pins, interfaces } = this.#options;
    const wasKept = this.kept;
    this.#links = new Map([...this.#links].flatMap(([name, attached]) => this.#taken(name, attached)));
    const stale = pins?.removeOthers(
      new Set([...this.#links.keys()].map((name) => pins.of(pinName(this.#mode, name)))),
    );
    if (wasKept) {
      const whole = interfaces.every((name) => this.#links.has(name));
      const modes = wishes(this.#options);
      if (!whole || this.#mode !== modes[0]) this.#attachAgain(modes);
    }
    return stale ?? [];
  }

  /** Follows interfaces that go and come back; goes over to generic when one no longer sends, such as a veth whose peer switched GRO off. */
  refresh(): void {
    this.#follow();
    if (this.#mode !== 'native' || this.#options.mode === 'native') return;
    const obstacle = nativeObstacle([...this.#links.keys()]);
    if (obstacle === undefined) return;
    this.#options.log(`XDP goes on generic: ${obstacle}`);
    this.#attachAgain(['generic']);
  }

  /** Takes back what is of this process alone. */
  abandon(): void {
    for (const [name, { link, kept }] of this.#links) {
      if (kept === undefined) remove(link, this.#options.pins, pinName(this.#mode, name));
      else link.close();
    }
    this.#links = new Map();
  }

  /** Lets go; what is pinned stays. */
  close(): void {
    for (const { link } of this.#links.values()) link.close();
    this.#links = new Map();
  }

  #taken(name: string, { link, ifindex, kept }: Attached): [string, Attached][] {
    const { pins } = this.#options;
    try {
      if (kept !== undefined) link.update(this.#program);
      // Even where it was: who handed over may have taken it away.
      pins?.replace(pinName(this.#mode, name), link.fd);
      return [[name, { link, ifindex, kept: undefined }]];
    } catch {
      // Its interface is gone.
      link.close();
      return [];
    }
  }

  /** One that is made again under the same name, as those of dial-up lines and containers are, has another number and no program; one under another name was not asked for. */
  #follow(): void {
    const { pins, log } = this.#options;
    const gone = [...this.#links].filter(([name, { ifindex }]) => interfaceIndex(name) !== ifindex);
    for (const [name, { link }] of gone) {
      remove(link, pins, pinName(this.#mode, name));
      this.#gone.add(name);
      log(`${name} is gone: XDP goes on without it`);
    }
    if (gone.length > 0) this.#links = new Map([...this.#links].filter(([name]) => !this.#gone.has(name)));
    const back = [...this.#gone].filter((name) => interfaceIndex(name) !== 0);
    if (back.length === 0) return;
    for (const name of back) this.#gone.delete(name);
    log(`${back.join(', ')} is back: XDP is attached again`);
    this.#attachAgain(wishes(this.#there()));
  }

  #there(): AttachOptions {
    return { ...this.#options, interfaces: this.#options.interfaces.filter((name) => !this.#gone.has(name)) };
  }

  #attachAgain(modes: readonly XdpMode[]): void {
    const { log } = this.#options;
    this.abandon();
    for (const mode of modes) {
      const links = attachAll(this.#program, mode, this.#there());
      this.#mode = mode;
      if (typeof links !== 'string') {
        this.#links = links;
        return;
      }
      if (mode === modes.at(-1)) log(`XDP is off, packets go through userspace: ${links}`);
    }
  }
}

interface Attached {
  readonly link: XdpLink;
  readonly ifindex: number;
  /** The pin, of a link that still has the program of an earlier process. */
  readonly kept: string | undefined;
}

interface Found extends Attached {
  readonly mode: XdpMode;
}

/** Best first. */
function wishes({ mode, interfaces, log }: AttachOptions): readonly XdpMode[] {
  if (mode !== undefined) return [mode];
  const obstacle = nativeObstacle(interfaces);
  if (obstacle === undefined) return ['native', 'generic'];
  log(`XDP runs generic, not native: ${obstacle}`);
  return ['generic'];
}

/** Links of an earlier process on interfaces that are wanted, in one mode. An interface may have got another name; one that is gone has none. */
function findLinks({ interfaces, pins }: AttachOptions): Map<string, Found> {
  const found = new Map<string, Found>();
  const names = new Map(interfaces.map((name) => [interfaceIndex(name), name]));
  for (const kept of pins?.links() ?? []) {
    const mode: XdpMode = basename(kept).startsWith(pinName('native', '')) ? 'native' : 'generic';
    const link = XdpLink.pinned(kept);
    const { ifindex } = link;
    const name = names.get(ifindex);
    const first = [...found.values()][0];
    if (name === undefined || (first !== undefined && first.mode !== mode)) link.close();
    else found.set(name, { link, ifindex, kept, mode });
  }
  return found;
}

/** All of them, or why not; then none but those that are there. */
function attachAll(
  program: BpfProgram,
  mode: XdpMode,
  { interfaces, pins }: AttachOptions,
  there: ReadonlyMap<string, Attached> = new Map(),
): Map<string, Attached> | string {
  const links = new Map<string, Attached>();
  for (const name of interfaces) {
    try {
      links.set(name, there.get(name) ?? attach(program, interfaceIndex(name), mode, pins, name));
    } catch (error) {
      for (const [attached, { link, kept }] of links) {
        if (kept === undefined) remove(link, pins, pinName(mode, attached));
      }
      const code = error instanceof SystemError ? error.code : String(error);
      return `${name}: ${code === 'EBUSY' ? 'another XDP program is attached (EBUSY)' : code}`;
    }
  }
  return links;
}

function attach(program: BpfProgram, ifindex: number, mode: XdpMode, pins: Pins | undefined, name: string): Attached {
  const link = XdpLink.attach(program, ifindex, mode);
  try {
    pins?.replace(pinName(mode, name), link.fd);
  } catch (error) {
    link.close();
    throw error;
  }
  return { link, ifindex, kept: undefined };
}

function remove(link: XdpLink, pins: Pins | undefined, name: string): void {
  pins?.remove(name);
  link.detach();
}

/** Names of interfaces have no slash; a bpf file system wants no dot. */
function pinName(mode: XdpMode, name: string): string {
  return `link-${mode}-${name.replaceAll('.', '_')}`;
}

const FIX =
  'detach the other program (ip link set dev <name> xdp off; culvert down --purge with its state folder, where a relay left it), or name other interfaces in `interfaces`';
