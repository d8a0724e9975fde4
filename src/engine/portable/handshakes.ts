import type { Socket } from 'node:net';
import type { Server } from 'node:tls';
import type { DropCounts } from './drop-counts.ts';
import { Places } from './places.ts';

/**
 * TLS connections that have not finished their handshake. They cost us cryptography and the client nothing, so only a quarter of the
 * places is for them, and of that only a quarter for one source: who merely knocks cannot keep out the others. (maxConnections counts both.)
 */
export class Handshakes {
  readonly #running = new Map<string, Handshake>();
  readonly #places: Places;

  constructor(server: Server, maxStreams: number, drops: DropCounts) {
    const most = Math.max(MIN_HANDSHAKES, Math.ceil(maxStreams / 4));
    this.#places = new Places(most);
    server.on('connection', (socket: Socket) => {
      const { remoteAddress } = socket;
      const source =
        remoteAddress === undefined || this.#running.size >= most ? undefined : this.#places.take(remoteAddress);
      if (source === undefined) {
        drops.add('engine', 'too-many-handshakes');
        socket.destroy();
        return;
      }
      const key = peerOf(socket);
      this.#running.set(key, { socket, source });
      socket.once('close', () => this.#end(key));
    });
    server.on('secureConnection', (secured) => this.#end(peerOf(secured)));
    server.on('tlsClientError', (_error, socket) => {
      drops.add('engine', 'handshake-failed');
      // Node tells of a handshake that takes too long and leaves the socket open: it would be so for as long as the client likes.
      socket.destroy();
    });
  }

  abandon(): void {
    for (const { socket } of this.#running.values()) socket.destroy();
  }

  /** Finished, or gone: whichever comes first. */
  #end(key: string): void {
    const handshake = this.#running.get(key);
    if (handshake === undefined) return;
    this.#running.delete(key);
    this.#places.leave(handshake.source);
  }
}

interface Handshake {
  readonly socket: Socket;
  readonly source: string;
}

/** What a raw connection and the secured one above it have in common. */
function peerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}

const MIN_HANDSHAKES = 16;
