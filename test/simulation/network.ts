import { createHash } from 'node:crypto';
import { type Endpoint, endpointKey } from '../../src/net/endpoint.ts';
import type { Millis } from '../../src/net/time.ts';

export interface NetworkOptions {
  readonly seed: number;
  /** Of 1000 packets. */
  readonly loss: number;
  readonly duplication: number;
  /** One way. What differs between two packets reorders them. */
  readonly minDelay: Millis;
  readonly maxDelay: Millis;
}

export type Receive = (from: Endpoint, packet: Uint8Array) => void;

/**
 * Datagrams between endpoints, and timers, on virtual time. What becomes of a packet depends on the seed, its ends, and how many went
 * between them before, and on nothing else: a change at one end leaves the weather elsewhere as it was.
 */
export class Network {
  now: Millis;
  readonly #options: NetworkOptions;
  readonly #hosts = new Map<string, Receive>();
  readonly #sent = new Map<string, number>();
  readonly #events: SimulatedEvent[] = [];
  #sequence = 0;

  constructor(options: NetworkOptions, start: Millis) {
    this.#options = options;
    this.now = start;
  }

  attach(endpoint: Endpoint, receive: Receive): void {
    this.#hosts.set(endpointKey(endpoint), receive);
  }

  detach(endpoint: Endpoint): void {
    this.#hosts.delete(endpointKey(endpoint));
  }

  /** The packet is copied: it is of this moment. `from` is what the receiver sees; anybody may write anything there. */
  send(from: Endpoint, to: Endpoint, packet: Uint8Array): void {
    const { loss, duplication, minDelay, maxDelay } = this.#options;
    const copy = packet.slice();
    const [lost, doubled, ...delays] = this.#fate(from, to);
    if (lost % 1000 < loss) return;
    for (const delay of doubled % 1000 < duplication ? delays : delays.slice(0, 1)) {
      const arrival = this.now + minDelay + (delay % (maxDelay - minDelay + 1));
      this.at(arrival, () => this.#hosts.get(endpointKey(to))?.(from, copy.slice()));
    }
  }

  /** What is set for the same time happens in the order in which it was set. */
  at(time: Millis, action: () => void): void {
    const event: SimulatedEvent = { time: Math.max(time, this.now), sequence: this.#sequence++, action };
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      // The earliest stands last, where it is taken from.
      if ((this.#events[middle]?.time ?? 0) > event.time) low = middle + 1;
      else high = middle;
    }
    this.#events.splice(low, 0, event);
  }

  run(until: Millis): void {
    for (let next = this.#events.at(-1); next !== undefined && next.time <= until; next = this.#events.at(-1)) {
      this.#events.pop();
      this.now = next.time;
      next.action();
    }
    this.now = until;
  }

  #fate(from: Endpoint, to: Endpoint): readonly [number, number, number, number] {
    const pair = `${endpointKey(from)} ${endpointKey(to)}`;
    const count = this.#sent.get(pair) ?? 0;
    this.#sent.set(pair, count + 1);
    const digest = createHash('sha256').update(`${this.#options.seed} ${pair} ${count}`).digest();
    return [digest.readUInt32BE(0), digest.readUInt32BE(4), digest.readUInt32BE(8), digest.readUInt32BE(12)];
  }
}

interface SimulatedEvent {
  readonly time: Millis;
  readonly sequence: number;
  readonly action: () => void;
}

/** One socket behind a NAT that may forget its mapping: the world sees `outside`, and what is sent to an earlier one is lost. */
export class Host {
  readonly network: Network;
  outside: Endpoint;
  readonly #receive: Receive;

  constructor(network: Network, outside: Endpoint, receive: Receive) {
    this.network = network;
    this.outside = outside;
    this.#receive = receive;
    network.attach(outside, receive);
  }

  send(to: Endpoint, packet: Uint8Array): void {
    this.network.send(this.outside, to, packet);
  }

  rebind(outside: Endpoint): void {
    this.network.detach(this.outside);
    this.outside = outside;
    this.network.attach(outside, this.#receive);
  }
}
