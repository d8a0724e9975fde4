import type { RemoteInfo } from 'node:dgram';
import { channelLength } from '../../flow/discriminate.ts';
import { writeChannelHeader } from '../../flow/encapsulate.ts';
import type { Encapsulation } from '../../flow/flow.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import type { SocketId } from '../../net/ids.ts';
import type { Millis } from '../../net/time.ts';
import { CHANNEL_HEADER_BYTES } from '../../wire/turn/channel-data.ts';
import type { DropCounts } from './drop-counts.ts';
import { canonicalAddress, remoteEndpoint } from './remote-endpoint.ts';
import type { Slab } from './slab.ts';
import type { UdpSocket } from './udp-socket.ts';

/** What the hot path needs of a socket, and of the engine. */
export type RoadSocket = Pick<UdpSocket, 'id' | 'family' | 'flows' | 'send'>;
export interface RoadParts {
  readonly sockets: ReadonlyMap<SocketId, RoadSocket>;
  readonly drops: DropCounts;
  readonly slab: Slab;
  readonly clock: () => Millis;
  readonly miss: (at: SocketId, from: Endpoint, packet: Uint8Array) => void;
}

/**
 * The hot path: a datagram that arrived goes out by its flow, or up. It comes to the verdicts of flow/apply.ts, with fewer copies:
 * keep and strip send a view of what came in, replace writes into it, and only add builds a packet.
 */
export class Road {
  readonly #parts: RoadParts;

  constructor(parts: RoadParts) {
    this.#parts = parts;
  }

  take(at: RoadSocket, packet: Uint8Array, remote: Pick<RemoteInfo, 'address' | 'port'>): void {
    const { port } = remote;
    // IPv4 text is canonical as it comes.
    const address = at.family === 4 ? remote.address : canonicalAddress(remote.address);
    const found = at.flows.find(address, port, packet);
    if (typeof found === 'string') {
      this.#parts.miss(at.id, remoteEndpoint(address, port), packet);
      return;
    }
    const { service, rewrite } = found.flow;
    const refusal = found.admit(packet, this.#parts.clock());
    if (refusal !== undefined) {
      this.#parts.drops.add(service, refusal);
      return;
    }
    const egress = this.#parts.sockets.get(rewrite.socket);
    if (egress === undefined) throw new Error(`flow ${found.flow.id} outlived its socket ${rewrite.socket}`);
    const { port: toPort, address: toAddress } = rewrite.remote;
    egress.send(this.#repack(rewrite.encapsulation, packet), toPort, toAddress, service, found.packets);
  }

  /** `encapsulate` of flow/ for a packet that is ours to write to. */
  #repack(encapsulation: Encapsulation, packet: Uint8Array): Uint8Array {
    switch (encapsulation.kind) {
      case 'keep':
        return packet;
      case 'strip':
        return view(packet, CHANNEL_HEADER_BYTES, channelLength(packet));
      case 'add': {
        const out = this.#parts.slab.take(CHANNEL_HEADER_BYTES + packet.length);
        writeChannelHeader(out, encapsulation.channel, packet.length);
        out.set(packet, CHANNEL_HEADER_BYTES);
        return out;
      }
      case 'replace': {
        const length = channelLength(packet);
        writeChannelHeader(packet, encapsulation.channel, length);
        return view(packet, 0, CHANNEL_HEADER_BYTES + length);
      }
    }
  }
}

/** Cheaper than Buffer's subarray. */
function view(packet: Uint8Array, offset: number, length: number): Uint8Array {
  return new Uint8Array(packet.buffer, packet.byteOffset + offset, length);
}
