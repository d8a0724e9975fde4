import type { Socket } from 'node:net';

/**
 * Moves what comes from one socket to another. Memory is bounded by their high-water marks (64 KiB each) and a chunk: the source is not
 * read while the other side's buffer is full. The end of the source becomes the end of what is written, while the other way goes on.
 */
export function pump(source: Socket, sink: Socket, onBytes: (count: number) => void): void {
  source.on('data', (chunk: Buffer) => {
    onBytes(chunk.length);
    if (!sink.write(chunk)) source.pause();
  });
  sink.on('drain', () => source.resume());
  source.once('end', () => sink.end());
  source.resume();
}

/** Whether both ways came to their end: all was read, and all was written out. */
export function endedCleanly(socket: Socket): boolean {
  return socket.readableEnded && socket.writableFinished;
}
