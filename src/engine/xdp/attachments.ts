import { existsSync } from 'node:fs';
import { SystemError } from '../../sys/errno.ts';
import { interfaceIndex, xdpAbilities } from '../../sys/interfaces.ts';
import { XdpLink, type XdpMode } from '../../sys/libbpf/link.ts';
import type { BpfProgram } from '../../sys/libbpf/program.ts';
import { EXITS } from './layout.ts';
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
 */
export class Attachments {
  readonly #program: BpfProgram;
  readonly #options: AttachOptions;
  #mode: XdpMode;
  #links: ReadonlyMap<string, Attached>;

  static open(program: BpfProgram, options: AttachOptions): AttachResult {
    const obstacle = nativeObstacle(options.interfaces);
    const wishes: readonly XdpMode[] =
      options.mode !== undefined ? [options.mode] : obstacle === undefined ? ['native', 'generic'] : ['generic'];
    if (obstacle !== undefined && options.mode !== 'generic') options.log(`XDP runs generic, not native: ${obstacle}`);
    const failures: string[] = [];
    for (const mode of wishes) {
      const links = attachAll(program, mode, options);
      if (typeof links !== 'string') return { ok: true, attachments: new Attachments(program, options, mode, links) };
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

  get mode(): XdpMode {
    return this.#mode;
  }

  /** How each interface sends, by index. Hardware sends back at once; a veth would keep it, see enum exit in bpf/layout.h. */
  get exits(): ReadonlyMap<number, number> {
    return new Map(
      [...this.#links].map(([name, { ifindex }]) => [ifindex, isHardware(name) ? EXITS.TRANSMIT : EXITS.REDIRECT]),
    );
  }

  /** Goes over to generic when an interface no longer sends, such as a veth whose peer switched GRO off. */
  refresh(): void {
    if (this.#mode !== 'native' || this.#options.mode === 'native') return;
    const obstacle = nativeObstacle([...this.#links.keys()]);
    if (obstacle === undefined) return;
    this.#options.log(`XDP goes on generic: ${obstacle}`);
    for (const name of this.#links.keys()) this.#options.pins?.remove(pinName('native', name));
    this.close();
    const links = attachAll(this.#program, 'generic', this.#options);
    this.#mode = 'generic';
    this.#links = typeof links === 'string' ? new Map() : links;
    if (typeof links === 'string') this.#options.log(`XDP is off, packets go through userspace: ${links}`);
  }

  /** Detaches what is not pinned. */
  close(): void {
    for (const { link } of this.#links.values()) link.close();
  }
}

interface Attached {
  readonly link: XdpLink;
  readonly ifindex: number;
}

/** All of them, or why not; then none. */
function attachAll(
  program: BpfProgram,
  mode: XdpMode,
  { interfaces, pins }: AttachOptions,
): Map<string, Attached> | string {
  const links = new Map<string, Attached>();
  removeOtherPins(pins, new Set(interfaces.map((name) => pinName(mode, name))));
  for (const name of interfaces) {
    const ifindex = interfaceIndex(name);
    try {
      links.set(name, {
        link: takeOver(program, pins, pinName(mode, name)) ?? attach(program, ifindex, mode, pins, name),
        ifindex,
      });
    } catch (error) {
      for (const { link } of links.values()) link.close();
      for (const attached of links.keys()) pins?.remove(pinName(mode, attached));
      const code = error instanceof SystemError ? error.code : String(error);
      return `${name}: ${code === 'EBUSY' ? 'another XDP program is attached (EBUSY)' : code}`;
    }
  }
  return links;
}

function attach(program: BpfProgram, ifindex: number, mode: XdpMode, pins: Pins | undefined, name: string): XdpLink {
  const link = XdpLink.attach(program, ifindex, mode);
  try {
    if (pins !== undefined) link.pin(pins.of(pinName(mode, name)));
  } catch (error) {
    link.close();
    throw error;
  }
  return link;
}

/** The link of an earlier process gets this program, between two packets. One whose interface is gone is none. */
function takeOver(program: BpfProgram, pins: Pins | undefined, name: string): XdpLink | undefined {
  if (pins === undefined || !pins.has(name)) return undefined;
  const link = XdpLink.pinned(pins.of(name));
  try {
    link.update(program);
    return link;
  } catch {
    link.close();
    pins.remove(name);
    return undefined;
  }
}

function removeOtherPins(pins: Pins | undefined, wanted: ReadonlySet<string>): void {
  for (const name of pins?.names() ?? []) if (name.startsWith('link-') && !wanted.has(name)) pins?.remove(name);
}

/** Names of interfaces have no slash; a bpf file system wants no dot. */
function pinName(mode: XdpMode, name: string): string {
  return `link-${mode}-${name.replaceAll('.', '_')}`;
}

/** Why not every interface runs it in its driver. Of a kernel that does not say (before 6.3) only hardware is trusted. */
export function nativeObstacle(interfaces: readonly string[]): string | undefined {
  for (const name of interfaces) {
    const abilities = xdpAbilities(interfaceIndex(name));
    if (abilities === undefined && !isHardware(name)) {
      return `Linux before 6.3 does not say whether ${name} sends what is redirected to it`;
    }
    if (abilities?.native === false) return `the driver of ${name} has no XDP`;
    if (abilities?.transmit === false) {
      return `${name} would drop what is redirected to it (a veth sends while its peer has an XDP program or GRO: ethtool -K <peer> gro on)`;
    }
  }
  return undefined;
}

/** /sys may show another network namespace; then nothing is taken for hardware. */
function isHardware(name: string): boolean {
  return existsSync(`/sys/class/net/${name}/device`);
}

const FIX = 'detach the other program (ip link set dev <name> xdp off), or name other interfaces in `interfaces`';
