import type { Socket } from 'node:net';
import type { Server } from 'node:tls';
import type { DropCounts } from './drop-counts.ts';

/**
 * TLS connections that have not finished their handshake. They cost us cryptography and the client nothing, so only a quarter of the
 * places is for them: who merely knocks cannot keep out the others. (maxConnections counts both.)
 */
export class Handshakes {
  readonly #running = new Map<string, Socket>();

  constructor(server: Server, maxStreams: number, drops: DropCounts) {
    const most = Math.max(MIN_HANDSHAKES, Math.ceil(maxStreams / 4));
    server.on('connection', (socket: Socket) => {
      const key = peerOf(socket);
      if (this.#running.size >= most) {
        drops.add('engine', 'too-many-handshakes');
        socket.destroy();
        return;
      }
      this.#running.set(key, socket);
      socket.once('close', () => this.#running.delete(key));
    });
    server.on('secureConnection', (secured) => this.#running.delete(peerOf(secured)));
    server.on('tlsClientError', () => drops.add('engine', 'handshake-failed'));
  }

  abandon(): void {
    for (const socket of this.#running.values()) socket.destroy();
  }
}

/** What a raw connection and the secured one above it have in common. */
function peerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}

const MIN_HANDSHAKES = 16;
