import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join, relative, resolve } from 'node:path';
import { createInterface } from 'node:readline';

/** Name of the socket in the state folder. */
export const SOCKET_FILE = 'run.sock';

export type Ask = 'hello' | 'stop' | 'handOver';

export interface InstanceAnswer {
  readonly pid: number;
  readonly released?: true;
  /** Why it will not. */
  readonly refused?: string;
}

export interface Asked {
  readonly answer: InstanceAnswer;
  say(value: object): void;
  /** The connection is gone, by whichever side. */
  readonly ended: Promise<unknown>;
  close(): void;
}

/** Asks the relay that runs with this state folder; undefined when there is none. */
export async function askInstance(folder: string, ask: Ask): Promise<Asked | undefined> {
  const socket = connect(socketPath(folder));
  const ended = new Promise((resolve) => socket.once('close', resolve));
  try {
    await once(socket, 'connect');
  } catch {
    return undefined;
  }
  socket.on('error', () => {});
  const say = (value: object) => void socket.write(`${JSON.stringify(value)}\n`);
  say({ ask });
  const answer = (await linesOf(socket).next()).value as InstanceAnswer | undefined;
  if (typeof answer?.pid !== 'number') {
    socket.destroy();
    return undefined;
  }
  return { answer, say, ended, close: () => socket.destroy() };
}

/** The name of a socket has some hundred bytes: the shorter way there is taken. */
export function socketPath(folder: string): string {
  const ways = [join(folder, SOCKET_FILE), relative(process.cwd(), resolve(folder, SOCKET_FILE))];
  return ways.reduce((best, way) => (way.length < best.length ? way : best));
}

/** Values of lines of JSON, until one is none. */
export async function* linesOf(socket: Socket): AsyncGenerator<unknown> {
  const lines = createInterface({ input: socket });
  // A connection that is reset has no end of its own.
  socket.once('close', () => lines.close());
  for await (const line of lines) {
    try {
      yield JSON.parse(line);
    } catch {
      return;
    }
  }
}
