// Runs in a namespace of its own: writes WireGuard packets with the source addresses that it is given, as fast as it is told, and counts what
// comes back. Arguments: the relay, packets a second, seconds, then the sources; prints one number for each source, how many of all those
// were no initiations, and how many packets it has written.
import { randomBytes, randomInt } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

const [relay = '', rate = '0', seconds = '0', ...sources] = process.argv.slice(2);
const got = sources.map(() => 0);
const sockets = await Promise.all(sources.map(open));
const end = performance.now() + Number(seconds) * 1000;
let sent = 0;
/** Of what came back, what is no initiation. */
let others = 0;
const begin = performance.now();
while (performance.now() < end) {
  const due = ((performance.now() - begin) / 1000) * Number(rate);
  for (; sent < due; sent++) {
    const socket = sockets[sent % sockets.length];
    socket?.send(forge(sent), 51820, relay);
  }
  await new Promise((resolve) => setTimeout(resolve, 5));
}
for (const socket of sockets) socket.close();
process.stdout.write(`${got.join(' ')} ${others} ${sent}\n`);

async function open(source: string, index: number): Promise<Socket> {
  const [address = '', port] = source.split(':');
  const socket = createSocket('udp4');
  socket.on('message', (packet) => {
    got[index] = (got[index] ?? 0) + 1;
    if (packet[0] !== 1) others++;
  });
  socket.bind(Number(port), address);
  await once(socket, 'listening');
  return socket;
}

/** In turn: an initiation, a response, a cookie reply, data; every field by chance. */
function forge(turn: number): Buffer {
  const type = (turn >> 3) % 4;
  const packet = randomBytes([148, 92, 64, 1000][type] ?? 32);
  packet.writeUInt32LE(type + 1, 0);
  packet.writeUInt32LE(randomInt(2 ** 32), 4);
  return packet;
}
