import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { Endpoint } from '../net/endpoint.ts';
import { localEndpoint } from './addresses.ts';
import { fromSystemError } from './failure.ts';
import type { Transport, TransportEvents } from './transport.ts';

/** A connected socket, so that the kernel reports an ICMP "port unreachable" as an error: the quickest diagnosis there is. */
export async function connectUdp(remote: Endpoint, events: TransportEvents): Promise<Transport> {
  const socket = createSocket(remote.family === 4 ? 'udp4' : 'udp6');
  try {
    socket.connect(remote.port, remote.address);
    await once(socket, 'connect');
  } catch (error) {
    socket.close();
    throw fromSystemError(error);
  }
  const { address, port } = socket.address();
  let open = true;
  const fail = (error: Error): void => {
    if (!open) return;
    open = false;
    socket.close();
    events.failed(fromSystemError(error));
  };
  socket.on('message', (packet) => events.packet(packet));
  socket.on('error', fail);
  return {
    reliable: false,
    local: localEndpoint(address, port),
    remote,
    send(packet) {
      if (open) socket.send(packet, (error) => error && fail(error));
    },
    close() {
      if (!open) return;
      open = false;
      socket.close();
    },
  };
}
