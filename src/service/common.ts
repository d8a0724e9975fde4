import type { Endpoint } from '../net/endpoint.ts';
import type { SocketId, StreamId } from '../net/ids.ts';
import type { RandomBytes } from '../net/random.ts';
import { BlockList } from './block-list.ts';
import type { FlowReader } from './usage.ts';

/** What all services of a relay share. */
export interface Common {
  readonly blocks: BlockList;
  readonly flows: FlowReader;
  /** Bytes that came from the peer of a joined stream so far; undefined when it is gone. */
  streamBytes(stream: StreamId): number | undefined;
  /** The address of ours that a client of a UDP listener at all addresses has asked; undefined, or absent, where nobody knows. */
  askedAddress?(listener: SocketId, client: Endpoint): string | undefined;
}

/** For a service by itself: nobody is blocked, and nobody knows what flows and streams carry. */
export function standalone(random: RandomBytes): Common {
  return { blocks: new BlockList(random), flows: { read: () => undefined }, streamBytes: () => undefined };
}
