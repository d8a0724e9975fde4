import { EndpointMap } from '../../flow/endpoint-map.ts';
import { parseAddress } from '../../net/address.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import type { FlowId, SocketId } from '../../net/ids.ts';
import type { Guid } from '../../wire/pair/handshake.ts';
import { Channel, channelKey, type PairForm, type Seat } from './channel.ts';

/** Where a client sits. */
export interface Place {
  readonly channel: Channel;
  readonly seat: Seat;
}

/** Channels by GUID, seats by address and by flow, and how many seats each source has. */
export class Table {
  readonly #channels = new Map<string, Channel>();
  readonly #places = new Map<SocketId, EndpointMap<Place>>();
  readonly #flows = new Map<FlowId, Place>();
  readonly #sources = new Map<string, number>();
  #seats = 0;
  #open = 0;

  get channels(): number {
    return this.#channels.size;
  }

  /** Channels with both seats taken. */
  get open(): number {
    return this.#open;
  }

  get seats(): number {
    return this.#seats;
  }

  all(): IterableIterator<Channel> {
    return this.#channels.values();
  }

  channel(form: PairForm, guid: Guid): Channel | undefined {
    return this.#channels.get(channelKey(form, guid));
  }

  find(socket: SocketId, { address, port }: Endpoint): Place | undefined {
    return this.#places.get(socket)?.get(address, port);
  }

  byFlow(flow: FlowId): Place | undefined {
    return this.#flows.get(flow);
  }

  /** Seats of one IPv4 address or one IPv6 /64. */
  heldBy(endpoint: Endpoint): number {
    return this.#sources.get(sourceKey(endpoint)) ?? 0;
  }

  add(form: PairForm, guid: Guid, first: Seat): Channel {
    const channel = new Channel(form, guid, first);
    this.#channels.set(channel.key, channel);
    this.#sit(channel, first);
    return channel;
  }

  complete(channel: Channel, second: Seat): void {
    channel.second = second;
    this.#open += 1;
    this.#sit(channel, second);
  }

  replace(channel: Channel, seat: Seat, by: Seat): void {
    this.#rise(seat);
    channel.replace(seat, by);
    this.#sit(channel, by);
  }

  remove(channel: Channel): void {
    this.#channels.delete(channel.key);
    if (channel.second !== undefined) this.#open -= 1;
    for (const seat of channel.seats()) this.#rise(seat);
  }

  addFlow(flow: FlowId, channel: Channel, seat: Seat): void {
    seat.flow = flow;
    this.#flows.set(flow, this.find(seat.socket, seat.endpoint) ?? { channel, seat });
  }

  removeFlow(seat: Seat): void {
    if (seat.flow !== undefined) this.#flows.delete(seat.flow);
    seat.flow = undefined;
  }

  /** For tests and assertions: how many entries all maps have together. */
  get entries(): number {
    return this.#channels.size + this.#seats + this.#flows.size + this.#sources.size;
  }

  #sit(channel: Channel, seat: Seat): void {
    const { address, port } = seat.endpoint;
    let places = this.#places.get(seat.socket);
    if (places === undefined) {
      places = new EndpointMap();
      this.#places.set(seat.socket, places);
    }
    places.set(address, port, { channel, seat });
    this.#seats += 1;
    this.#count(seat.endpoint, 1);
  }

  #rise(seat: Seat): void {
    const { address, port } = seat.endpoint;
    this.#places.get(seat.socket)?.delete(address, port);
    this.#seats -= 1;
    this.#count(seat.endpoint, -1);
  }

  #count(endpoint: Endpoint, by: 1 | -1): void {
    const key = sourceKey(endpoint);
    const count = (this.#sources.get(key) ?? 0) + by;
    if (count === 0) this.#sources.delete(key);
    else this.#sources.set(key, count);
  }
}

/** One subscriber: an IPv4 address, or the /64 that an IPv6 one gets. */
function sourceKey({ family, address }: Endpoint): string {
  if (family === 4) return address;
  const bytes = parseAddress(address);
  return bytes === undefined ? address : Buffer.from(bytes.buffer, bytes.byteOffset, 8).toString('hex');
}
