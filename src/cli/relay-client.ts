import type { IncomingMessage } from 'node:http';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { placeOf } from '../control/admin/local-socket.ts';
import { formatFault } from '../control/config/faults.ts';
import { type ConfigFlags, read, withConfigOptions } from './configuration.ts';
import { CommandFailure, EXIT_FAILED, EXIT_USAGE } from './failure.ts';

export interface RelayFlags extends ConfigFlags {
  readonly json?: true;
}

/** Options of every command that asks a relay that runs. */
export function withRelayOptions(command: Command): Command {
  return withConfigOptions(command).option('--json', 'print JSON');
}

/** An answer of the relay that is no success: its status, and what it says. */
export interface Answer {
  readonly status: number;
  readonly value: Readonly<Record<string, unknown>>;
}

// As in control/admin/server.ts: an import statement would load much more.
const { request } = process.getBuiltinModule('node:http');

/** The relay that runs with a state folder, by its local admin socket. */
export class RelayClient {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Fails with every fault of the configuration when that hides where the state folder is. */
  static async find(flags: RelayFlags): Promise<RelayClient> {
    if (flags.state !== undefined) return new RelayClient(resolve(flags.state));
    const result = await read(flags);
    const folder = result.ok ? result.config.state : result.state;
    if (folder !== undefined) return new RelayClient(folder);
    const faults = result.ok ? [] : result.faults.map(formatFault);
    throw new CommandFailure(
      [...faults, 'so nobody knows the state folder of the relay (name it with --state)'],
      EXIT_USAGE,
    );
  }

  /** A success as T; what the relay refuses ends the command with its words. */
  async get<T>(path: string): Promise<T> {
    return this.#success<T>(await this.ask('GET', path));
  }

  async change<T>(method: 'POST' | 'DELETE', path: string, body: object = {}): Promise<T> {
    return this.#success<T>(await this.ask(method, path, body));
  }

  async ask(method: string, path: string, body?: object): Promise<Answer> {
    const response = await this.#send(method, path, body);
    let text = '';
    for await (const chunk of response.setEncoding('utf8')) text += chunk;
    try {
      return { status: response.statusCode ?? 0, value: JSON.parse(text) };
    } catch {
      throw new CommandFailure([`the relay's answer is no JSON (is this command of the same version?)`], EXIT_FAILED);
    }
  }

  /** One value after the other, however many there are. */
  async *list<T>(path: string): AsyncIterable<T> {
    const response = await this.#send('GET', path, undefined, 'application/x-ndjson');
    if (response.statusCode !== 200) {
      response.destroy();
      throw new CommandFailure([`the relay refused the list (${response.statusCode})`], EXIT_FAILED);
    }
    for await (const line of createInterface({ input: response, crlfDelay: Infinity })) {
      if (line !== '') yield JSON.parse(line) as T;
    }
    if (!response.complete) throw new CommandFailure(['the relay ended before the list did'], EXIT_FAILED);
  }

  #success<T>({ status, value }: Answer): T {
    if (status >= 200 && status < 300) return value as T;
    throw new CommandFailure([String(value.error ?? `the relay refused (${status})`)], EXIT_FAILED);
  }

  #send(method: string, path: string, body?: object, accept = 'application/json'): Promise<IncomingMessage> {
    const place = placeOf(this.folder);
    if (place === undefined) return Promise.reject(this.failure('ENOENT'));
    const text = body === undefined ? undefined : JSON.stringify(body);
    return new Promise<IncomingMessage>((resolveResponse, reject) => {
      const headers = {
        Accept: accept,
        ...(text !== undefined && { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) }),
      };
      const where = { socketPath: place.path, path: `/api/v1/${path}`, agent: false } as const;
      const sent = request({ ...where, method, headers, timeout: PATIENCE });
      sent.once('response', resolveResponse);
      sent.once('timeout', () => sent.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })));
      sent.once('error', ({ code, message }: NodeJS.ErrnoException) => reject(this.failure(code ?? message)));
      sent.end(text);
    }).finally(() => place.close());
  }

  /** What it means that the relay cannot be reached. */
  failure(code: string): CommandFailure {
    const { folder } = this;
    if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTDIR') {
      const mend = 'start it with "culvert up", or name the folder of one that runs with --state or --config';
      return new CommandFailure([`no relay runs with state folder ${folder}: ${mend}`], EXIT_FAILED);
    }
    if (code === 'EACCES' || code === 'EPERM') {
      const mend = "only the relay's own user and root may ask it";
      return new CommandFailure(
        [`the relay with state folder ${folder} cannot be asked (${code}): ${mend}`],
        EXIT_FAILED,
      );
    }
    return new CommandFailure([`the relay with state folder ${folder} does not answer (${code})`], EXIT_FAILED);
  }
}

const PATIENCE = 30_000;
