import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { afterwards } from '../afterwards.ts';

/** An upstream that sends back what comes, and the connections that it has. */
export async function echoServer(t: TestContext): Promise<{ port: number; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.pipe(socket);
  });
  return { port: await listen(t, server, '127.0.0.1', 0, sockets), sockets };
}

/** Gives the port. It ends after the test, with its connections. */
export async function listen(t: TestContext, server: Server, host: string, port: number, sockets: Set<Socket>) {
  server.listen({ host, port, backlog: 1024 });
  await once(server, 'listening');
  afterwards(t, () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return address.port;
}
