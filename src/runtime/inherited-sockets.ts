import { readFileSync, readlinkSync } from 'node:fs';
import type { ListenSpec } from '../engine/engine.ts';
import { formatAddress, parseAddress } from '../net/address.ts';
import { type Endpoint, endpointKey } from '../net/endpoint.ts';

/** Sockets that systemd opened for us and handed over (sd_listen_fds(3)): each is used by the listener that names its address. */
export class InheritedSockets {
  readonly #sockets: InheritedSocket[];

  /** Takes what the environment offers, and the offer out of it: children are not meant. */
  static fromEnvironment(environment: NodeJS.ProcessEnv): InheritedSockets {
    const { LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES = '' } = environment;
    for (const name of ['LISTEN_FDS', 'LISTEN_PID', 'LISTEN_FDNAMES']) delete environment[name];
    // The launcher runs another Node where it must, and passes on what was meant for it.
    const ours = [process.pid, process.ppid].some((pid) => LISTEN_PID === String(pid));
    const count = ours && /^\d{1,4}$/.test(LISTEN_FDS ?? '') ? Number(LISTEN_FDS) : 0;
    const names = LISTEN_FDNAMES.split(':');
    const sockets = Array.from({ length: count }, (_, n) => describe(FIRST_DESCRIPTOR + n, names[n] ?? ''));
    return new InheritedSockets(sockets.filter((socket) => socket !== undefined));
  }

  private constructor(sockets: InheritedSocket[]) {
    this.#sockets = sockets;
  }

  /** Its descriptor, for once. */
  take(spec: ListenSpec): number | undefined {
    const kind = spec.transport === 'tls' ? 'tcp' : spec.transport;
    const wanted = spec.transport === 'unix' ? [spec.path] : placesFor(spec.local, spec.transport);
    for (const place of wanted) {
      const index = this.#sockets.findIndex((socket) => socket.kind === kind && socket.place === place);
      if (index >= 0) return this.#sockets.splice(index, 1)[0]?.fd;
    }
    return undefined;
  }

  /** Those that nobody asked for, in words. */
  get left(): readonly string[] {
    return this.#sockets.map(({ kind, place, name }) => `${kind} ${place}${name && ` (${name})`}`);
  }
}

interface InheritedSocket {
  readonly fd: number;
  /** LISTEN_FDNAMES; may be empty. */
  readonly name: string;
  readonly kind: 'tcp' | 'udp' | 'unix';
  /** Endpoint key, or path. */
  readonly place: string;
}

/** ListenStream=443 means [::]:443, which on most systems takes IPv4 too. */
function placesFor(local: Endpoint, transport: 'tcp' | 'tls' | 'udp'): string[] {
  const exact = endpointKey(local);
  return transport !== 'udp' && local.address === '0.0.0.0' ? [exact, `[::]:${local.port}`] : [exact];
}

/** Node cannot ask a descriptor where it is bound without making it its own, but the kernel lists that by inode. */
function describe(fd: number, name: string): InheritedSocket | undefined {
  const inode = inodeOf(fd);
  if (inode === undefined) return undefined;
  for (const [table, kind] of TABLES) {
    const line = linesOf(table).find((columns) => columns[INODE_COLUMN[kind]] === inode);
    const place = line && (kind === 'unix' ? line[UNIX_PATH] : endpointOf(line[LOCAL_ADDRESS] ?? ''));
    if (place !== undefined) return { fd, name, kind, place };
  }
  return undefined;
}

function inodeOf(fd: number): string | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
  } catch {
    return undefined;
  }
}

function linesOf(table: string): string[][] {
  try {
    return readFileSync(`/proc/net/${table}`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/));
  } catch {
    return [];
  }
}

/** "0100007F:0050": words of four bytes as the machine has them. */
function endpointOf(text: string): string | undefined {
  const [hex = '', port = ''] = text.split(':');
  const bytes = Buffer.from(hex, 'hex');
  if ((bytes.length !== 4 && bytes.length !== 16) || !/^[0-9A-F]{4}$/.test(port)) return undefined;
  if (LITTLE_ENDIAN) bytes.swap32();
  const address = formatAddress(bytes);
  return endpointKey({ family: parseAddress(address)?.length === 4 ? 4 : 6, address, port: Number.parseInt(port, 16) });
}

const FIRST_DESCRIPTOR = 3;
const TABLES = [
  ['tcp', 'tcp'],
  ['tcp6', 'tcp'],
  ['udp', 'udp'],
  ['udp6', 'udp'],
  ['unix', 'unix'],
] as const;
const INODE_COLUMN = { tcp: 9, udp: 9, unix: 6 } as const;
const LOCAL_ADDRESS = 1;
const UNIX_PATH = 7;
const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
