import type { Endpoint } from '../../net/endpoint.ts';
import type { StreamId } from '../../net/ids.ts';
import type { Millis } from '../../net/time.ts';
import type { ProxyTlv } from '../../wire/proxy-protocol/header.ts';
import type { Deadline } from '../deadlines.ts';
import type { Listener } from './forward.ts';
import type { Target } from './upstreams.ts';

/**
 * A client's stream on its way to an upstream, and then with it.
 *
 *     state       waits for                        then
 *     reading     the PROXY header of a balancer   greeting, waiting or connecting; the end, when it is none or late
 *     greeting    the ClientHello, for its name    waiting or connecting; the end, when it is none, late, or for nobody
 *     waiting     the first answer for a name      connecting; the end, when it is late
 *     connecting  the upstream                     joined; connecting to the next; the end, when there is none
 *     joined      both streams to end              the end
 *
 * The client's stream is held until it is joined: what he sends meanwhile waits in the kernel.
 */
export class Connection implements Deadline {
  at: Millis = 0;
  position = -1;
  readonly client: StreamId;
  readonly listener: Listener;
  /** Who connected. */
  readonly from: Endpoint;
  readonly firstSeen: Millis;
  state: 'reading' | 'greeting' | 'waiting' | 'connecting' | 'joined' = 'connecting';
  /** Who the client is: who connected, or whom the PROXY header names. */
  source: Endpoint;
  /** What he wanted to reach. */
  destination: Endpoint;
  tlvs: readonly ProxyTlv[] = [];
  /** Counted among those of its source. */
  admitted = false;
  /** Keys of the upstreams that the name leads to which it asked for; undefined = all. */
  route: ReadonlySet<string> | undefined = undefined;
  /** What was read: first of the header, then what came behind it. */
  held: Uint8Array = NOTHING;
  upstream: StreamId | undefined = undefined;
  target: Target | undefined = undefined;
  readonly tried: Target[] = [];

  constructor(client: StreamId, listener: Listener, source: Endpoint, destination: Endpoint, now: Millis) {
    this.from = source;
    this.firstSeen = now;
    this.client = client;
    this.listener = listener;
    this.source = source;
    this.destination = destination;
  }
}

export const NOTHING: Uint8Array = new Uint8Array(0);
