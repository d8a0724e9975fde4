import type { Endpoint } from '../../net/endpoint.ts';
import type { SocketId, StreamId } from '../../net/ids.ts';
import type { Millis } from '../../net/time.ts';
import { handleChannelData } from './channel-data.ts';
import { StreamClient } from './client.ts';
import type { Core } from './core.ts';
import { endAllocation } from './ending.ts';
import { STREAM_PATIENCE } from './lifetime.ts';
import type { DropReason } from './reasons.ts';
import { handleMessage } from './requests.ts';

/** Messages that make no sense, in the life of one stream, before it is closed. */
export const MAX_STREAM_FAULTS = 16;

/**
 * Of an unfinished message from who holds no allocation. Its requests have a few texts of at most 763 bytes; without this, strangers
 * could make every connection hold 64 KiB for as long as its patience lasts.
 */
const MAX_STRANGERS_BYTES = 8192;

export function openStream(core: Core, stream: StreamId, at: SocketId, from: Endpoint, now: Millis): undefined {
  if (core.blocks.refuses(from, now)) {
    core.orders.add({ type: 'closeStream', stream });
    return core.drop('blocked');
  }
  const client = new StreamClient(stream, at, from);
  core.table.streams.set(stream, client);
  core.deadlines.set(client, now + STREAM_PATIENCE);
}

/** RFC 8656 §12.5: STUN and ChannelData messages follow each other, told apart by their first two bits. */
export function handleStreamChunk(core: Core, client: StreamClient, chunk: Uint8Array, now: Millis): undefined {
  const { framer } = client;
  framer.push(chunk);
  for (let frame = framer.next(); frame !== 'need-more'; frame = framer.next()) {
    // Nothing after the first wrong byte can be trusted to be the start of a message.
    if (!(frame instanceof Uint8Array)) return closeStream(core, client, 'stream-garbage', now);
    handleFrame(core, client, frame, now);
    if (client.faults > MAX_STREAM_FAULTS) return closeStream(core, client, 'stream-garbage', now);
  }
  if (client.allocation === undefined && framer.pendingBytes > MAX_STRANGERS_BYTES) {
    closeStream(core, client, 'stream-garbage', now);
  }
}

export function forgetStream(core: Core, client: StreamClient, now: Millis): undefined {
  core.table.streams.delete(client.stream);
  core.deadlines.clear(client);
  if (client.allocation !== undefined) endAllocation(core, client.allocation, 'stream-closed', now);
}

/** Nobody who holds nothing may hold a connection. */
export function expireStream(core: Core, client: StreamClient, now: Millis): undefined {
  closeStream(core, client, 'stream-idle', now);
}

function handleFrame(core: Core, client: StreamClient, frame: Uint8Array, now: Millis): undefined {
  if (isChannelFrame(frame)) {
    handleChannelData(core, client, frame, now);
    return;
  }
  const verdict = handleMessage(core, client, frame, now);
  if (verdict === 'garbage') client.faults++;
  if (client.allocation !== undefined) core.deadlines.clear(client);
  else if (verdict === 'valid') core.deadlines.set(client, now + STREAM_PATIENCE);
}

export function closeStream(core: Core, client: StreamClient, reason: DropReason, now: Millis): undefined {
  core.drop(reason);
  forgetStream(core, client, now);
  core.orders.add({ type: 'closeStream', stream: client.stream });
}

function isChannelFrame(frame: Uint8Array): boolean {
  return (frame[0] ?? 0) >= 0x40;
}
