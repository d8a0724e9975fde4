/**
 * The relay that many write first for WireGuard: whoever sends is a client, and what he sends goes to all other clients. As quick as that can
 * be on node:dgram: the list is an array that changes only when somebody new comes, nothing is parsed, nobody is forgotten.
 *
 * Arguments: address, port.
 */
import { createSocket } from 'node:dgram';

const [address = '', port] = process.argv.slice(2);

interface Client {
  readonly address: string;
  readonly port: number;
}

const clients: Client[] = [];
/** Where in the list a client is, by port and then by address: most ports are used once. */
const places = new Map<number, Map<string, number>>();

const socket = createSocket('udp4', (packet, from) => {
  const self = places.get(from.port)?.get(from.address) ?? join(from.address, from.port);
  for (let i = 0; i < clients.length; i++) {
    const client = clients[i];
    if (i !== self && client !== undefined) socket.send(packet, client.port, client.address);
  }
});
socket.bind(Number(port), address);
process.on('SIGTERM', () => process.exit(0));

function join(at: string, from: number): number {
  const atPort = places.get(from) ?? new Map<string, number>();
  places.set(from, atPort.set(at, clients.length));
  return clients.push({ address: at, port: from }) - 1;
}
