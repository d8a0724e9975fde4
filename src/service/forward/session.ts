import type { Endpoint } from '../../net/endpoint.ts';
import type { FlowId, SocketId } from '../../net/ids.ts';
import type { Millis } from '../../net/time.ts';
import { Usage } from '../usage.ts';
import type { Listener } from './forward.ts';
import type { Target } from './upstreams.ts';

/**
 * A client of a UDP forward: he has a source port of his own towards the upstream, so that the upstream can tell clients apart.
 *
 *     client ──▶ listener ══ toUpstream ══▶ port ──▶ upstream
 *     client ◀── listener ◀══ toClient ════ port ◀── upstream
 *
 * Until the upstream answers there is one flow and little patience: a spoofed source costs a port for half a minute.
 */
export class Session {
  readonly listener: Listener;
  /** Where his datagrams come from. */
  readonly client: Endpoint;
  /** Who he is, by a PROXY header perhaps. */
  readonly source: Endpoint;
  readonly target: Target;
  readonly upstream: Endpoint;
  readonly socket: SocketId;
  /** Where the port is bound; undefined while it is being opened. */
  local: Endpoint | undefined = undefined;
  readonly firstSeen: Millis;
  readonly usage = new Usage();
  answered = false;
  toUpstream: FlowId | undefined = undefined;
  toClient: FlowId | undefined = undefined;
  /** What came before the port was open; the first may have a PROXY header in front. */
  readonly queue: Uint8Array[] = [];

  /** Taken up from an earlier process: its port must be this one, which it had; else 0. */
  kept = 0;

  constructor(listener: Listener, client: Endpoint, source: Endpoint, target: Target, socket: SocketId, now: Millis) {
    this.firstSeen = now;
    this.usage.lastSeen = now;
    this.listener = listener;
    this.client = client;
    this.source = source;
    this.target = target;
    this.upstream = target.endpoint(listener.offset);
    this.socket = socket;
  }
}
