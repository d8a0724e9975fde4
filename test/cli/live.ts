import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { TurnClient } from '../../src/probe/client.ts';
import { PairEnd } from '../../src/probe/pair-end.ts';
import type { Summary } from '../../src/runtime/banner.ts';
import { decodeWireguard, encodeWireguard, type WireguardMessage } from '../../src/wire/wireguard/message.ts';
import { afterwards } from '../afterwards.ts';
import { temporaryFolder } from '../control/config/rig.ts';
import { PATIENCE_MILLIS } from '../patience.ts';
import { culvert, culvertUp, waitFor } from './culvert.ts';

type Context = Parameters<typeof culvertUp>[0];

/** A relay with every service on loopback, a file of its own, and a client of each. */
export class Live {
  readonly file: string;
  readonly state: string;
  readonly #context: Context;
  readonly #extra: string;
  running: Awaited<ReturnType<typeof culvertUp>> | undefined;
  summary: Summary | undefined;

  private constructor(context: Context, extra: string) {
    const folder = temporaryFolder(context);
    this.file = join(folder, 'culvert.yaml');
    this.state = join(folder, 'state');
    this.#context = context;
    this.#extra = extra;
  }

  static async start(context: Context, extra = ''): Promise<Live> {
    const echo = await echoServer(context);
    const live = new Live(context, extra);
    live.write(`forward: [{ name: web, listen: "tcp://127.0.0.1:0", to: "tcp://127.0.0.1:${echo}" }]`);
    await live.up();
    return live;
  }

  write(forward: string, more = ''): void {
    const lines = [
      'state: state',
      'turn: { listen: ["udp://127.0.0.1:0", "tcp://127.0.0.1:0"], users: { alice: s3cret }, relay: { ipv4: 127.0.0.1 }, peers: { allow: [127.0.0.0/8] } }',
      'wireguard: { listen: "udp://127.0.0.1:0" }',
      `pair: { listen: "udp://127.0.0.1:0", secret: ${PAIR_SECRET.toString('base64')} }`,
      forward,
      ...(this.#extra.includes('admin:') ? [] : ['admin: { listen: "off" }']),
      this.#extra,
      more,
    ];
    writeFileSync(this.file, `${lines.join('\n')}\n`);
  }

  async up(): Promise<void> {
    this.running = await culvertUp(this.#context, ['--json', '--config', this.file]);
    this.summary = JSON.parse(this.running.stdout()) as Summary;
  }

  /** One of our commands, told of the relay by its file. */
  ask(...args: readonly string[]) {
    return culvert([...args, '--config', this.file]);
  }

  async json<T>(...args: readonly string[]): Promise<T> {
    const done = await this.ask(...args, '--json');
    if (done.code !== 0) throw new Error(done.stderr);
    return JSON.parse(done.stdout) as T;
  }

  at(service: string, transport = 'udp'): Endpoint {
    const found = this.summary?.listeners.find((one) => one.service === service && one.transport === transport);
    if (found === undefined) throw new Error(`no ${service}`);
    return found.local;
  }

  /** An allocation with a channel to a peer that answers, and whether data still comes back. */
  async turn(timeout = PATIENCE_MILLIS): Promise<Works> {
    const peer = await udp(this.#context);
    peer.socket.on('message', (packet, from) => peer.socket.send(packet, from.port, from.address));
    const client = await TurnClient.connect(
      { kind: 'udp', remote: this.at('turn'), servername: '', insecure: false, timeout },
      { username: 'alice', password: 's3cret' },
    );
    afterwards(this.#context, () => client.close());
    await client.allocate({});
    const channel = await client.channelBind(peer.local);
    let received = 0;
    client.onData = () => received++;
    return echoes(
      () => client.sendChannelData(channel, randomBytes(10)),
      () => received,
    );
  }

  async pair(): Promise<Works> {
    const guid = randomBytes(16).toString('hex');
    const join = () => PairEnd.connect(this.at('pair'), guid, PAIR_SECRET, PATIENCE_MILLIS);
    const [one, two] = [await join(), await join()];
    afterwards(this.#context, () => {
      for (const end of [one, two]) end.close();
    });
    await waitFor(() => {
      // Each hears of the other by the other's handshake.
      for (const end of [one, two]) end.shakeHands();
      return one.met && two.met;
    });
    let received = 0;
    two.onData = () => received++;
    return echoes(
      () => one.send(randomBytes(10)),
      () => received,
    );
  }

  /** Two ends; the relay cannot read what they say, so they say nothing. */
  async wireguard(): Promise<Works> {
    const { port, address } = this.at('wireguard');
    const [one, two] = [await udp(this.#context), await udp(this.#context)];
    const send = (from: typeof one, message: WireguardMessage) =>
      from.socket.send(encodeWireguard(message), port, address);
    const noise = () => ({ ephemeral: randomBytes(32), mac1: randomBytes(16), mac2: new Uint8Array(16) });
    const begin = (sender: number): WireguardMessage => ({
      type: 'initiation',
      sender,
      encryptedStatic: randomBytes(48),
      encryptedTimestamp: randomBytes(28),
      ...noise(),
    });
    let received = 0;
    let live = false;
    two.socket.on('message', (packet) => {
      const message = decodeWireguard(packet);
      if (typeof message === 'string') return;
      if (message.type === 'initiation') {
        send(two, { type: 'response', sender: 2, receiver: 1, encryptedNothing: randomBytes(16), ...noise() });
      }
      if (message.type === 'data') received++;
    });
    const data = () => send(one, { type: 'data', receiver: 2, counter: 0n, ciphertext: randomBytes(32) });
    one.socket.on('message', (packet) => {
      const message = decodeWireguard(packet);
      if (typeof message !== 'string' && message.type === 'response') {
        live = true;
        data();
      }
    });
    await waitFor(() => {
      if (!live) {
        send(two, begin(3));
        send(one, begin(1));
      }
      return live && received > 0;
    });
    return echoes(data, () => received);
  }

  /** A connection through the forward, and whether it still answers. */
  async tcp(): Promise<Works> {
    const place = this.summary?.forwards[0]?.local;
    const socket = connect(place?.port ?? 0, '127.0.0.1');
    socket.on('error', () => {});
    afterwards(this.#context, () => void socket.destroy());
    let received = 0;
    socket.on('data', (chunk) => (received += chunk.length));
    await once(socket, 'connect');
    return echoes(
      () => socket.write('x'),
      () => received,
    );
  }
}

/** Whether something comes back of what is sent again and again. */
type Works = (patience?: number) => Promise<boolean>;

function echoes(send: () => void, received: () => number): Works {
  return async (patience = PATIENCE_MILLIS) => {
    const before = received();
    for (const end = Date.now() + patience; Date.now() < end; ) {
      send();
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (received() > before) return true;
    }
    return false;
  };
}

async function udp(context: Context) {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  afterwards(context, () => void socket.close());
  const { address, port } = socket.address();
  return { socket, local: { family: 4, address, port } as const };
}

async function echoServer(context: Context): Promise<number> {
  const open = new Set<Socket>();
  const server: Server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => {});
    socket.pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  afterwards(context, () => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  const address = server.address();
  return address !== null && typeof address === 'object' ? address.port : 0;
}

const PAIR_SECRET = Buffer.from('a-secret-of-32-bytes-for-tests!!');
