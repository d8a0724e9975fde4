import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { type Ask, askInstance, type InstanceAnswer, linesOf, socketPath } from './instance-client.ts';

/** What a running relay does when another process asks. */
export interface InstanceHooks {
  /** As at SIGINT. */
  stop(): void;
  /** Everything is written down, and every socket is closed, this instance's too, when it resolves. */
  handOver(): Promise<void>;
  /** The successor runs. */
  succeeded(): void;
  /** The successor ended without having run. */
  resume(): void;
  /** Why nothing can be asked of it now. */
  busy(): string | undefined;
}

export type Claim =
  | { readonly ok: true; readonly instance: Instance }
  /** `pid`: of the relay that runs there. */
  | { readonly ok: false; readonly pid: number }
  | { readonly ok: false; readonly pid: undefined; readonly code: string };

/**
 * A state folder belongs to one relay at a time: to the one that listens on the socket in it. Through it other processes of the same user ask it
 * for things, in lines of JSON:
 *
 *     {"ask":"hello"}       {"pid":1}
 *     {"ask":"stop"}        {"pid":1}, and the end of the connection is the end of the process
 *     {"ask":"handOver"}    {"pid":1,"released":true}; then {"done":true} lets it end, and an end without that has it go on
 */
export class Instance {
  readonly #server: Server;
  readonly #hooks: InstanceHooks;

  private constructor(server: Server, hooks: InstanceHooks) {
    this.#server = server;
    this.#hooks = hooks;
    server.on('connection', (socket) => void this.#serve(socket));
  }

  /** Takes the folder; a socket that a killed process left is no hindrance. */
  static async claim(folder: string, hooks: InstanceHooks): Promise<Claim> {
    const running = await askInstance(folder, 'hello');
    if (running !== undefined) {
      running.close();
      return { ok: false, pid: running.answer.pid };
    }
    const path = socketPath(folder);
    const server = createServer();
    try {
      rmSync(path, { force: true });
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(path, resolve);
      });
      server.on('error', () => {});
      chmodSync(path, 0o600);
      server.unref();
      return { ok: true, instance: new Instance(server, hooks) };
    } catch (error) {
      server.close();
      return { ok: false, pid: undefined, code: (error as NodeJS.ErrnoException).code ?? String(error) };
    }
  }

  /** The folder is free. Whoever asked for something keeps his connection. */
  release(): void {
    this.#server.close();
  }

  async #serve(socket: Socket): Promise<void> {
    socket.unref();
    socket.on('error', () => {});
    const lines = linesOf(socket);
    const { ask } = ((await lines.next()).value ?? {}) as { ask?: Ask };
    const busy = ask === 'hello' ? undefined : this.#hooks.busy();
    if (busy !== undefined) {
      answer(socket, { pid: process.pid, refused: busy });
      socket.end();
    } else if (ask === 'hello') {
      answer(socket, { pid: process.pid });
      socket.end();
    } else if (ask === 'stop') {
      answer(socket, { pid: process.pid });
      this.#hooks.stop();
    } else if (ask === 'handOver') {
      // All that keeps the process alive by then.
      socket.ref();
      await this.#hooks.handOver();
      answer(socket, { pid: process.pid, released: true });
      const { done } = ((await lines.next()).value ?? {}) as { done?: boolean };
      if (done === true) this.#hooks.succeeded();
      else this.#hooks.resume();
    } else socket.destroy();
  }
}

function answer(socket: Socket, value: InstanceAnswer): void {
  socket.write(`${JSON.stringify(value)}\n`);
}
