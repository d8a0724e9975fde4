import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type Endpoint, endpointKey } from '../../net/endpoint.ts';
import { listSockets } from '../socket-tables.ts';

/** A process that has a socket open. */
export interface Holder {
  readonly pid: number;
  /** As the kernel knows it. */
  readonly name: string;
}

/** Who has the port, as far as this user may see the descriptors of others. */
export function holderOf(kind: 'tcp' | 'udp', local: Endpoint): Holder | undefined {
  const inodes = listSockets()
    .filter((socket) => socket.kind === kind && covers(socket.place, local))
    .map(({ inode }) => `socket:[${inode}]`);
  if (inodes.length === 0) return undefined;
  for (const pid of entriesOf('/proc').filter((name) => /^\d+$/.test(name))) {
    for (const fd of entriesOf(`/proc/${pid}/fd`)) {
      if (inodes.includes(linkOf(`/proc/${pid}/fd/${fd}`))) return { pid: Number(pid), name: nameOf(pid) };
    }
  }
  return undefined;
}

/** A wildcard on either side takes the port on all addresses, that of IPv6 often of both families. */
function covers(place: string, { family, address, port }: Endpoint): boolean {
  if (!place.endsWith(`:${port}`)) return false;
  if (place === endpointKey({ family, address, port }) || place === `[::]:${port}`) return true;
  if (address === '::') return true;
  return family === 4 && (address === '0.0.0.0' ? !place.startsWith('[') : place === `0.0.0.0:${port}`);
}

function nameOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return 'a program';
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
