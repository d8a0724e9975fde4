import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * A port that nobody has, for TCP as well as UDP on every address of the machine. It is not one of those that the kernel gives to whoever names
 * none (from 32768 on), so that it is still free a moment later, and while a relay that has it starts again.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const port = randomInt(LOWEST, RELAYED_PORTS.lowest);
    if (given.has(port) || !(await tcpIsFree(port)) || !(await udpIsFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error('found no free port in 20 attempts');
}

/** Relayed ports that stay free while a relay is away, for the same reason. */
export const RELAYED_PORTS = { lowest: 30_000, highest: 32_767 } as const;

async function tcpIsFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port);
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}

async function udpIsFree(port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  try {
    socket.bind(port);
    await once(socket, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    socket.close();
  }
}

const LOWEST = 10_000;
const given = new Set<number>();
