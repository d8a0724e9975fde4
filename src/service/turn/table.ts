import type { Family } from '../../net/address.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import type { SocketId, StreamId } from '../../net/ids.ts';
import type { Allocation, Relay, Reservation } from './allocation.ts';
import { type Client, StreamClient, UdpClient } from './client.ts';
import { ClientMap } from './client-map.ts';

/** Every way to find what the service holds. Nothing here decides anything. */
export class Table {
  readonly streams = new Map<StreamId, StreamClient>();
  readonly reservations = new Map<string, Reservation>();
  /** Every port from its openPort order to its closePort order. */
  readonly sockets = new Map<SocketId, Relay>();
  readonly #udp = new Map<SocketId, ClientMap>();
  readonly #relays: Readonly<Record<Family, Map<number, Relay>>> = { 4: new Map(), 6: new Map() };
  readonly #users = new Map<string, number>();
  #allocations = 0;
  #udpAllocations = 0;

  get allocations(): number {
    return this.#allocations;
  }

  /** 5-tuples that are known: allocations over UDP, and every open stream. */
  get clients(): number {
    return this.#udpAllocations + this.streams.size;
  }

  find(client: Client): Allocation | undefined {
    if (client instanceof StreamClient) return client.allocation;
    return this.#udp.get(client.socket)?.get(client.endpoint);
  }

  add(allocation: Allocation): void {
    const { client } = allocation;
    this.#allocations++;
    this.countUser(allocation.user, 1);
    if (client instanceof StreamClient) {
      client.allocation = allocation;
      return;
    }
    let atListener = this.#udp.get(client.socket);
    if (atListener === undefined) this.#udp.set(client.socket, (atListener = new ClientMap()));
    atListener.set(allocation);
    this.#udpAllocations++;
  }

  remove(allocation: Allocation): void {
    const { client } = allocation;
    this.#allocations--;
    this.countUser(allocation.user, -1);
    if (client instanceof StreamClient) {
      client.allocation = undefined;
      return;
    }
    const atListener = this.#udp.get(client.socket);
    atListener?.delete(client.endpoint);
    if (atListener?.empty) this.#udp.delete(client.socket);
    this.#udpAllocations--;
  }

  *all(): IterableIterator<Allocation> {
    for (const atListener of this.#udp.values()) yield* atListener.values();
    for (const { allocation } of this.streams.values()) if (allocation !== undefined) yield allocation;
  }

  /** A relayed transport address that some client holds, by either of its forms. */
  relayAt(endpoint: Endpoint): Relay | undefined {
    const relay = this.#relays[endpoint.family].get(endpoint.port);
    return relay?.is(endpoint) ? relay : undefined;
  }

  addRelay(relay: Relay): void {
    this.#relays[relay.family].set(relay.local.port, relay);
  }

  removeRelay(relay: Relay): void {
    const { port } = relay.local;
    if (this.#relays[relay.family].get(port) === relay) this.#relays[relay.family].delete(port);
  }

  /** Allocations and reservations of a user. */
  heldBy(user: string): number {
    return this.#users.get(user) ?? 0;
  }

  countUser(user: string, by: 1 | -1): void {
    const count = this.heldBy(user) + by;
    if (count === 0) this.#users.delete(user);
    else this.#users.set(user, count);
  }

  /** For tests and assertions: how many entries all maps have together. */
  get entries(): number {
    const relays = this.#relays[4].size + this.#relays[6].size;
    return this.streams.size + this.reservations.size + this.sockets.size + this.#udp.size + relays + this.#users.size;
  }
}

export function isUdp(client: Client): client is UdpClient {
  return client instanceof UdpClient;
}
