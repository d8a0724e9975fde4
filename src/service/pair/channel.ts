import type { Endpoint } from '../../net/endpoint.ts';
import type { FlowId, SocketId } from '../../net/ids.ts';
import type { Millis } from '../../net/time.ts';
import type { Guid } from '../../wire/pair/handshake.ts';
import type { LegacyForm } from '../../wire/pair/legacy.ts';
import type { Deadline } from '../deadlines.ts';
import type { Rated, Rates } from '../rates.ts';
import { Usage } from '../usage.ts';

/** Clients meet only in one form: who proves nothing must not get at the pairs of those who do. */
export type PairForm = 'v0.8.2' | LegacyForm;

/** Where two clients with one GUID meet. Half while the second seat is empty. */
export class Channel implements Deadline, Rated {
  at: Millis = 0;
  position = -1;
  readonly form: PairForm;
  readonly guid: Guid;
  first: Seat;
  second: Seat | undefined = undefined;
  /** Only with a bandwidth quota. */
  rates: Rates | undefined = undefined;

  constructor(form: PairForm, guid: Guid, first: Seat) {
    this.form = form;
    this.guid = guid;
    this.first = first;
  }

  get key(): string {
    return channelKey(this.form, this.guid);
  }

  partnerOf(seat: Seat): Seat | undefined {
    return seat === this.first ? this.second : this.first;
  }

  replace(seat: Seat, by: Seat): void {
    if (seat === this.first) this.first = by;
    else this.second = by;
  }

  seats(): readonly Seat[] {
    return this.second === undefined ? [this.first] : [this.first, this.second];
  }
}

/** A client at a channel: one remote address at one of our listeners. Sits at one channel at a time. */
export class Seat {
  readonly socket: SocketId;
  readonly endpoint: Endpoint;
  /** It showed that it receives what we send to its address. */
  proven: boolean;
  /** First 32 bits of its handshake, by which later ones are known. */
  readonly word: number;
  /** Carries this client's data while it is busy; undefined once the engine reported that it fell silent. */
  flow: FlowId | undefined = undefined;
  /** The last packet that we know of; those that the flow took are not known before it is idle. */
  lastSeen: Millis;
  readonly firstSeen: Millis;
  readonly usage = new Usage();

  constructor(socket: SocketId, endpoint: Endpoint, proven: boolean, word: number, now: Millis) {
    this.socket = socket;
    this.endpoint = endpoint;
    this.proven = proven;
    this.word = word;
    this.lastSeen = now;
    this.firstSeen = now;
  }
}

export function channelKey(form: PairForm, guid: Guid): string {
  return `${form} ${guid}`;
}
