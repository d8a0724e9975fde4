import type { Millis } from '../../net/time.ts';
import type { Remote } from './remote.ts';
import type { Rota } from './rota.ts';
import type { Table } from './table.ts';

/**
 * How far somebody has come in asking the others one after the other. Among strangers each begins beside itself, and half a turn away: when
 * two look for each other, one of them finds the other within a quarter of the turn.
 */
export class Turns {
  tries = 0;
  partners = 0;
  strangers: number;
  seekers: number;
  clients: number;
  /** The network, and which of its members. */
  #network: number;
  #member: number;

  constructor({ strangers }: Table, from: Remote, anywhere: number) {
    const network = strangers.networkOf(from);
    this.#network = network === undefined ? 0 : strangers.networks.placeOf(network);
    this.#member = network?.placeOf(from) ?? 0;
    this.strangers = strangers.all.placeOf(from) + (strangers.size >> 1);
    this.seekers = anywhere;
    this.clients = anywhere;
  }

  /** The next members. */
  *among(rota: Rota<Remote>, kind: 'strangers' | 'seekers' | 'clients', looks: number): Iterable<Remote> {
    for (let look = Math.min(looks, rota.size); look > 0 && rota.size > 0; look--) {
      const remote = rota.at(this[kind]);
      this[kind] = (this[kind] % rota.size) + 1;
      if (remote !== undefined) yield remote;
    }
  }

  /** Strangers, one of each network in turn. */
  *byNetwork(networks: Rota<Rota<Remote>>, looks: number): Iterable<Remote> {
    for (let look = looks; look > 0; look--) {
      const remote = networks.at(this.#network)?.at(this.#member);
      if (++this.#network >= networks.size) {
        this.#network = 0;
        this.#member++;
      }
      if (remote !== undefined) yield remote;
    }
  }
}

/** One of each in turn, then of those that have more. */
export function* alternate<T>(sources: readonly Iterable<T>[], first: number): Iterable<T> {
  const left = sources.map((source) => source[Symbol.iterator]());
  for (let turn = first; left.length > 0; ) {
    turn %= left.length;
    const next = left[turn]?.next();
    if (next === undefined || next.done) left.splice(turn, 1);
    else {
      yield next.value;
      turn++;
    }
  }
}

/** Clients whose last initiation was not answered yet; those that gave up leave when they are met. */
export function* stillSeeking(seekers: Rota<Remote>, remotes: Iterable<Remote>, now: Millis): Iterable<Remote> {
  for (const remote of remotes) {
    if (remote.seeksUntil > now) yield remote;
    else seekers.delete(remote);
  }
}
