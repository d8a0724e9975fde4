import { EndpointMap } from '../../flow/endpoint-map.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import type { SocketId } from '../../net/ids.ts';
import type { Remote, Route } from './remote.ts';
import { Rota } from './rota.ts';
import { Strangers } from './strangers.ts';

/** Every way to find what the service holds. Nothing here decides anything. */
export class Table {
  readonly clients = new Rota<Remote>();
  readonly strangers = new Strangers();
  /** Clients that look for somebody right now. */
  readonly seekers = new Rota<Remote>();
  /** Live routes by index alone, to recognise a client that comes by another way; where two collide the later one is found. */
  readonly indices = new Map<number, Route>();
  readonly #remotes = new Map<SocketId, EndpointMap<Remote>>();
  #routes = 0;

  get routes(): number {
    return this.#routes;
  }

  find(at: SocketId, from: Endpoint): Remote | undefined {
    return this.#remotes.get(at)?.get(from.address, from.port);
  }

  add(remote: Remote): void {
    const { socket, endpoint } = remote;
    let atSocket = this.#remotes.get(socket);
    if (atSocket === undefined) this.#remotes.set(socket, (atSocket = new EndpointMap()));
    atSocket.set(endpoint.address, endpoint.port, remote);
    this.strangers.add(remote);
  }

  remove(remote: Remote): void {
    const { socket, endpoint } = remote;
    this.#remotes.get(socket)?.delete(endpoint.address, endpoint.port);
    this.strangers.delete(remote);
    this.clients.delete(remote);
    this.seekers.delete(remote);
    remote.isKnown = false;
  }

  addRoute(route: Route): void {
    route.from.routes.set(route.index, route);
    this.#routes++;
  }

  removeRoute(route: Route): void {
    route.from.routes.delete(route.index);
    if (this.indices.get(route.index) === route) this.indices.delete(route.index);
    this.#routes--;
  }
}
