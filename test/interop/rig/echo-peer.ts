import { createSocket } from 'node:dgram';
import { startChild, waitFor } from './children.ts';
import { freePort } from './ports.ts';

/** turnutils_peer: sends back every datagram it gets. */
export interface EchoPeer {
  readonly port: number;
  stop(): Promise<void>;
}

export async function startEchoPeer(addresses: readonly string[]): Promise<EchoPeer> {
  const port = await freePort();
  const child = startChild('turnutils_peer', [...addresses.flatMap((address) => ['-L', address]), '-p', String(port)]);
  try {
    for (const address of addresses)
      await waitFor(() => echoes(address, port), `turnutils_peer at ${address}`, { child });
  } catch (error) {
    await child.stop();
    throw error;
  }
  return { port, stop: () => child.stop() };
}

function echoes(address: string, port: number): Promise<boolean> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  return new Promise((resolve) => {
    const done = (came: boolean): void => {
      clearTimeout(giveUp);
      socket.close();
      resolve(came);
    };
    const giveUp = setTimeout(() => done(false), 200);
    socket.on('error', () => done(false));
    socket.on('message', () => done(true));
    socket.send('are you there', port, address);
  });
}
