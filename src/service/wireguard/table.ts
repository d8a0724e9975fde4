import { EndpointMap } from '../../flow/endpoint-map.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import type { SocketId } from '../../net/ids.ts';
import type { Remote, Route } from './remote.ts';

/** Every way to find what the service holds. Nothing here decides anything. */
export class Table {
  /** Least recently chosen by a fan-out first. */
  readonly clients = new Set<Remote>();
  readonly strangers = new Set<Remote>();
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

/** The next members of a set in turn, so that each gets its share: those chosen go to its end. At most `looks` are looked at. */
export function takeTurns(set: Set<Remote>, count: number, looks: number, fits: (remote: Remote) => boolean): Remote[] {
  const chosen: Remote[] = [];
  const seen: Remote[] = [];
  for (const remote of set) {
    if (chosen.length === count || seen.length === looks) break;
    seen.push(remote);
    if (fits(remote)) chosen.push(remote);
  }
  for (const remote of seen) {
    set.delete(remote);
    set.add(remote);
  }
  return chosen;
}
