import type { ServerResponse } from 'node:http';
import { SAFE_HEADERS } from './reply.ts';

export interface ListingOptions {
  /** What the list is called in the JSON object. */
  readonly name: string;
  /** At most so many; 0 = all. */
  readonly limit: number;
  /** One value a line, and nothing around them. */
  readonly lines: boolean;
}

/**
 * Writes a list as it is walked through, at the pace of its reader: a hundred thousand clients are never in memory at once, and packets pass
 * between two pieces. Ends early when the reader is gone or takes nothing for a while.
 */
export async function sendList(response: ServerResponse, values: Iterable<unknown>, options: ListingOptions) {
  const { name, limit, lines } = options;
  response.writeHead(200, {
    'Content-Type': lines ? 'application/x-ndjson' : 'application/json',
    ...SAFE_HEADERS,
  });
  let written = 0;
  let truncated = false;
  let piece = lines ? '' : `{${JSON.stringify(name)}:[`;
  for (const value of values) {
    if (limit > 0 && written === limit) {
      truncated = true;
      break;
    }
    const text = JSON.stringify(value);
    piece += lines ? `${text}\n` : `${written === 0 ? '' : ','}\n${text}`;
    written += 1;
    if (written % PIECE === 0) {
      if (!(await writePiece(response, piece))) return;
      piece = '';
    }
  }
  response.end(lines ? piece : `${piece}\n],"truncated":${truncated}}\n`);
}

/** False when nobody reads any more. */
async function writePiece(response: ServerResponse, piece: string): Promise<boolean> {
  if (response.destroyed) return false;
  if (response.write(piece)) {
    await new Promise((resolve) => setImmediate(resolve));
    return !response.destroyed;
  }
  return new Promise((resolve) => {
    const end = (goesOn: boolean) => {
      clearTimeout(timer);
      response.off('drain', onDrain).off('close', onClose);
      resolve(goesOn);
    };
    const onDrain = () => end(true);
    const onClose = () => end(false);
    const timer = setTimeout(() => response.destroy(), PATIENCE);
    response.once('drain', onDrain).once('close', onClose);
  });
}

const PIECE = 200;
const PATIENCE = 30_000;
