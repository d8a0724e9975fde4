import { readFileSync } from 'node:fs';
import { formatAddress, parseAddress } from '../net/address.ts';
import { endpointKey } from '../net/endpoint.ts';

/** A socket of this network namespace, whoever's it is. */
export interface ListedSocket {
  readonly kind: 'tcp' | 'udp' | 'unix';
  /** Endpoint key, or path. */
  readonly place: string;
  readonly inode: string;
}

/** As the kernel lists them, those that are bound; none where /proc is not to be read. */
export function listSockets(): ListedSocket[] {
  return TABLES.flatMap(([table, kind]) =>
    linesOf(table).flatMap((line): ListedSocket[] => {
      const inode = line[INODE_COLUMN[kind]];
      const place = kind === 'unix' ? line[UNIX_PATH] : endpointOf(line[LOCAL_ADDRESS] ?? '');
      return inode === undefined || place === undefined ? [] : [{ kind, place, inode }];
    }),
  );
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
