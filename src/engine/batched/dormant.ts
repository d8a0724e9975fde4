import dgram from 'node:dgram';
import type { Endpoint } from '../../net/endpoint.ts';
import type { Fd } from '../../sys/fd.ts';
import { duplicate, forbidSharing } from '../../sys/udp-socket.ts';
import { remoteEndpoint } from '../portable/remote-endpoint.ts';
import type { Reader } from './udp-ports.ts';

export interface DormantParts {
  readonly onPacket: (place: number, from: Endpoint, packet: Buffer) => void;
  readonly onError: () => void;
}

/**
 * Reads listeners by node:dgram while there is nothing to relay: a worker costs 10 MB and more, and who only answers STUN needs none. It
 * has a descriptor of its own for each socket, so that what it leaves behind when it lets go waits in the socket for the worker.
 */
export class Dormant implements Reader {
  readonly takesTrains = false;
  readonly #parts: DormantParts;
  readonly #sockets = new Map<Fd, dgram.Socket>();

  constructor(parts: DormantParts) {
    this.#parts = parts;
  }

  add(fd: Fd, place: number): void {
    const socket = dgram.createSocket('udp4');
    socket.on('message', (packet, { address, port }) => {
      this.#parts.onPacket(place, remoteEndpoint(address, port), packet);
    });
    socket.on('error', () => this.#parts.onError());
    // The handle does not look at the family of what it is given.
    socket.bind({ fd: duplicate(fd) });
    // libuv lets others bind where a socket is that it was given.
    forbidSharing(fd);
    this.#sockets.set(fd, socket);
  }

  remove(fd: Fd): void {
    this.#sockets.get(fd)?.close();
    this.#sockets.delete(fd);
  }

  /** It works in this thread. */
  settle(): void {}
}
