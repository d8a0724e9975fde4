import { createSocket } from 'node:dgram';
import { freePort } from '../../ports.ts';
import { startChild, waitFor } from './children.ts';
import type { Relay } from './relay.ts';

/** turnutils_peer beside the clients of a relay: sends back every datagram it gets. */
export interface EchoPeer {
  readonly port: number;
  stop(): Promise<void>;
}

export async function startEchoPeer({ network, families }: Relay): Promise<EchoPeer> {
  const addresses = families.map((family) => network.peer(family));
  const port = await freePort();
  const args = [...addresses.flatMap((address) => ['-L', address]), '-p', String(port)];
  const child = network.atPeer(() => startChild('turnutils_peer', args));
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
