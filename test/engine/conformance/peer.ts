import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import type { Family } from '../../../src/net/address.ts';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import { type Network, until } from './rig.ts';

/** A UDP socket with everything that it got. */
export class Peer {
  readonly local: Endpoint;
  readonly inbox: { packet: Buffer; from: number; address: string }[] = [];
  readonly #socket: dgram.Socket;

  static async open(family: Family, network: Network, port = 0): Promise<Peer> {
    const address = network.peer(family);
    const socket = network.atPeer(() => {
      const opened = dgram.createSocket({
        type: family === 4 ? 'udp4' : 'udp6',
        ipv6Only: family === 6,
        // Answered at once, so that the bind is done when it returns.
        lookup: (name, _options, callback) => callback(null, name, family),
      });
      return opened.bind(port, address);
    });
    return new Peer(socket, { family, address, port: socket.address().port });
  }

  private constructor(socket: dgram.Socket, local: Endpoint) {
    this.#socket = socket;
    this.local = local;
    socket.on('message', (packet, remote) => this.inbox.push({ packet, from: remote.port, address: remote.address }));
  }

  async send(to: Endpoint, packet: Uint8Array | string): Promise<void> {
    const bytes = Buffer.from(packet);
    await new Promise<void>((resolve, reject) => {
      this.#socket.send(bytes, to.port, to.address, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  /** The next packet that came. */
  async next(): Promise<{ packet: Buffer; from: number; address: string }> {
    await until(() => this.inbox.length > 0, 'a packet at a peer');
    const got = this.inbox.shift();
    assert.ok(got);
    return got;
  }

  /** The next packet is this one, and came from there. */
  async expect(packet: Uint8Array | string, from: Endpoint): Promise<void> {
    const got = await this.next();
    assert.equal(got.packet.toString('hex'), Buffer.from(packet).toString('hex'));
    assert.equal(got.from, from.port);
  }

  /** Nothing has come, though what was sent after it arrived somewhere else meanwhile. */
  expectSilence(): void {
    assert.deepEqual(this.inbox, []);
  }

  close(): void {
    this.#socket.close();
  }
}
