import { createHmac, randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import type { Family } from '../../src/net/address.ts';
import { afterwards } from '../afterwards.ts';
import type { Network } from '../engine/conformance/rig.ts';
import { PATIENCE_MILLIS } from '../patience.ts';

/**
 * A client of pairs that shares no code with the relay: it builds its bytes from the description of the protocol alone.
 *
 *     0 magic 04 B2 80 00 · 4 u16 length behind 56 · 6 u16 flags · 8 GUID · 24 HMAC-SHA256 of all with 24–55 zero · 56 anything
 */
export function pairHandshake(guid: Buffer, key: Buffer, behind: Buffer = Buffer.alloc(0), flags = 0): Buffer {
  const datagram = Buffer.alloc(56 + behind.length);
  datagram.write('04b28000', 0, 'hex');
  datagram.writeUInt16BE(behind.length, 4);
  datagram.writeUInt16BE(flags, 6);
  guid.copy(datagram, 8);
  behind.copy(datagram, 56);
  createHmac('sha256', key).update(datagram).digest().copy(datagram, 24);
  return datagram;
}

export function newGuid(): Buffer {
  return randomBytes(16);
}

interface Context {
  after(hook: () => void | Promise<void>): void;
}

/** One UDP socket that talks to one relay and keeps what comes back. */
export class PairClient {
  readonly received: Buffer[] = [];
  readonly #socket: Socket;
  readonly #host: string;
  readonly #port: number;

  static async open(context: Context, network: Network, port: number, family: Family = 4): Promise<PairClient> {
    const socket = network.atPeer(() =>
      createSocket({
        type: family === 6 ? 'udp6' : 'udp4',
        recvBufferSize: 1 << 20,
        // Answered at once, so that it is bound when this returns.
        lookup: (name, _options, callback) => callback(null, name, family),
      }).bind(0, network.peer(family)),
    );
    const client = new PairClient(socket, network.engine(family), port);
    afterwards(context, () => client.close());
    return client;
  }

  private constructor(socket: Socket, host: string, port: number) {
    this.#socket = socket;
    this.#host = host;
    this.#port = port;
    socket.on('message', (datagram) => this.received.push(datagram));
    socket.on('error', () => {});
  }

  send(datagram: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.send(datagram, this.#port, this.#host, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** The next datagram; undefined when none comes in time. */
  async next(patience = PATIENCE_MILLIS): Promise<Buffer | undefined> {
    const deadline = Date.now() + patience;
    while (this.received.length === 0) {
      if (Date.now() > deadline) return undefined;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return this.received.shift();
  }

  /** Whether nothing comes for a while. */
  async hearsNothing(patience = 200): Promise<boolean> {
    return (await this.next(patience)) === undefined;
  }

  close(): void {
    try {
      this.#socket.close();
    } catch {
      // Closed by the test already.
    }
  }
}
