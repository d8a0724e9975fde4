import { readlinkSync } from 'node:fs';
import type { ListenSpec } from '../engine/engine.ts';
import { type Endpoint, endpointKey } from '../net/endpoint.ts';
import { listSockets } from './socket-tables.ts';

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
  const found = listSockets().find((socket) => socket.inode === inode);
  return found && { fd, name, kind: found.kind, place: found.place };
}

function inodeOf(fd: number): string | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
  } catch {
    return undefined;
  }
}

const FIRST_DESCRIPTOR = 3;
