import type { SocketBuffers } from '../engine.ts';

/** One allocation's port. */
export const PORT_BUFFERS: SocketBuffers = { receive: 512 * 1024, send: 512 * 1024 };

/** All clients of a service share a listener: a burst of theirs has to fit. */
export function listenerBuffers({ receive, send }: SocketBuffers = { receive: 0, send: 0 }): SocketBuffers {
  return { receive: receive || LISTENER_BUFFER, send: send || LISTENER_BUFFER };
}

const LISTENER_BUFFER = 4 * 1024 * 1024;
