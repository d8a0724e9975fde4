import type { ServiceName } from '../flow/flow.ts';
import type { Endpoint } from '../net/endpoint.ts';
import type { Millis } from '../net/time.ts';
import type { Count } from './usage.ts';

/** One client, as every service tells of it. Nothing in here is a secret. */
export interface ClientRecord {
  readonly service: ServiceName;
  /** By what the service knows it: a user of TURN, a forward, a digest of a pair's GUID. Absent where an endpoint is all that is known. */
  readonly id?: string;
  /** Names that the configuration gives it. */
  readonly names?: readonly string[];
  /** Base64. */
  readonly publicKeys?: readonly string[];
  /** It proved that the key is its own; absent where nothing can be proven. */
  readonly proven?: boolean;
  readonly endpoint: Endpoint;
  readonly transport: 'udp' | 'stream';
  /** Where it came in. */
  readonly listener: Endpoint | undefined;
  /** Addresses that it was given, and upstreams that it talks to. */
  readonly via?: readonly string[];
  readonly firstSeen: Millis;
  /** Undefined for a stream that the engine moves: it does not look at the clock for every piece. */
  readonly lastSeen: Millis | undefined;
  /** By the client, and to it: payloads as they came in (a channel's with its header), flows included. Streams count bytes only. */
  readonly sent: Count;
  readonly received: Count;
}
