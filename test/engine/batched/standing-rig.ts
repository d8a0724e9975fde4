import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { createBatchedEngine } from '../../../src/engine/batched/batched.ts';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import type { StandingDecision } from '../../../src/net/standing.ts';
import { afterwards } from '../../afterwards.ts';
import { PATIENCE_MILLIS } from '../../patience.ts';
import { type Bound, loopback, Rig, until } from '../conformance/rig.ts';

export interface StartOptions {
  readonly workers?: number;
  readonly most?: number;
  /** Of the listener. */
  readonly streams?: number;
  readonly idle?: number;
  readonly timeout?: number;
  readonly place?: Endpoint;
  readonly more?: StandingDecision['to'];
}

export async function start(t: TestContext, options: StartOptions = {}) {
  const { workers = 1, most = 100, streams, idle = 0, timeout = PATIENCE_MILLIS, more = [] } = options;
  const upstream = await echoServer(t);
  const rig = await Rig.start(t, {
    name: 'batched',
    create: (parts) => createBatchedEngine({ ...parts, workers, seed: 1 }),
    skips: {},
  });
  const listener = await listen(rig, streams);
  const decision = { to: [{ tag: 7, place: options.place ?? upstream.place }, ...more], timeout, idle, most };
  rig.engine.stand?.(listener.id, decision, 'forward');
  await obeyed(rig, upstream, workers);
  return { rig, listener, decision, ...upstream };
}

/** Orders are obeyed in turn: whoever answers this one, each worker has its own, has heard of those before. */
export async function obeyed(rig: Rig, { place, upstreams }: Upstream, workers = 1): Promise<void> {
  for (let n = 0; n < workers; n++) {
    const stream = rig.ids.stream();
    const before = upstreams.length;
    rig.engine.connect(stream, { to: place, timeout: PATIENCE_MILLIS });
    await until(() => rig.connected.has(stream) && upstreams.length > before, 'the answer of a worker');
    rig.engine.closeStream(stream);
    upstreams.pop()?.destroy();
  }
}

export async function listen(rig: Rig, maxStreams = 1000): Promise<Bound> {
  const id = rig.ids.socket();
  const result = await rig.engine.listen(id, { transport: 'tcp', local: loopback(4), maxStreams, held: true });
  assert.ok(result.ok);
  return { id, local: result.local };
}

export interface Upstream {
  readonly server: Server;
  readonly place: Endpoint;
  readonly upstreams: Socket[];
}

/** `hold`: its connections are left alone, paused. */
export async function echoServer(t: TestContext, hold = false): Promise<Upstream> {
  const upstreams: Socket[] = [];
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: hold }, (socket) => {
    upstreams.push(socket);
    socket.on('error', () => {});
    if (!hold) socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  afterwards(t, () => {
    server.close();
    for (const socket of upstreams) socket.destroy();
  });
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return { server, place: loopback(4, address.port), upstreams };
}

export async function open(t: TestContext, { address, port }: Endpoint): Promise<Socket> {
  const socket = connect({ host: address, port });
  await once(socket, 'connect');
  socket.on('error', () => {});
  afterwards(t, () => socket.destroy());
  return socket;
}

/** What comes back of a connection that says one thing and ends. */
export async function echo({ address, port }: Endpoint, text: string): Promise<string> {
  const socket = connect({ host: address, port });
  let got = '';
  socket.on('data', (bytes: Buffer) => {
    got += bytes.toString();
  });
  socket.end(text);
  await once(socket, 'close');
  return got;
}

export async function echoed(socket: Socket, text: string): Promise<void> {
  const back = once(socket, 'data');
  socket.write(text);
  assert.equal((await back)[0].toString(), text);
}

export async function told(rig: Rig, count: number) {
  await until(() => rig.pairs.length === count, `${count} pairs`);
  return rig.pairs;
}
