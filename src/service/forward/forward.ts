import type { Endpoint } from '../../net/endpoint.ts';
import type { SocketId } from '../../net/ids.ts';
import type { RandomBytes } from '../../net/random.ts';
import type { StandingDecision } from '../../net/standing.ts';
import type { Millis } from '../../net/time.ts';
import type { Deadline } from '../deadlines.ts';
import { Admission } from './admission.ts';
import type { ForwardRule } from './config.ts';
import type { Connection } from './connection.ts';
import type { Session } from './session.ts';
import { Upstream } from './upstreams.ts';

/**
 * One forward as it runs: its rule, its upstreams, who uses it. It outlives its removal for as long as a connection
 * of it does. Its deadline is the end of a drain.
 */
export class Forward implements Deadline {
  at: Millis = 0;
  position = -1;
  rule: ForwardRule;
  upstreams: readonly Upstream[];
  readonly admission: Admission;
  readonly listeners = new Set<Listener>();
  /** Connections that came before the first answer for a name of theirs. */
  readonly waiting = new Set<Connection>();
  readonly sessions = new Set<Session>();
  /** Of round robin: how many were chosen. */
  turn = 0;
  /** Of the next target. */
  nextTag = 1;
  readonly counts: ForwardCounts = { connected: 0, failed: 0, toUpstream: 0, toClient: 0 };

  constructor(rule: ForwardRule, random: RandomBytes) {
    this.rule = rule;
    this.upstreams = rule.upstreams.map((upstream) => new Upstream(this, upstream));
    this.admission = new Admission(rule, random);
  }

  /** No client could be served now. */
  get down(): boolean {
    return this.upstreams.every(({ targets }) => targets.every(({ up }) => !up));
  }
}

/** Since the start. `failed`: connects to one upstream. Bytes of streams that have ended. */
export interface ForwardCounts {
  connected: number;
  failed: number;
  toUpstream: number;
  toClient: number;
}

export interface Listener {
  readonly socket: SocketId;
  readonly forward: Forward;
  /** Where it is bound; of a unix socket UNIX_ENDPOINT. */
  readonly local: Endpoint;
  /** How many ports above the first of its range. */
  readonly offset: number;
  /** What the engine was told to do without asking. */
  standing: StandingDecision | undefined;
}
