import { lstatSync, rmSync } from 'node:fs';
import { connect, createServer, type ListenOptions, type Server, type ServerOpts, type Socket } from 'node:net';
import type { Endpoint } from '../../net/endpoint.ts';
import type { OpenResult } from '../../net/open-result.ts';
import { UNIX_ENDPOINT } from '../../net/stream-target.ts';
import { type Millis, SECOND } from '../../net/time.ts';
import { EngineMisuse, type ListenSpec, type TlsMaterial, TlsMaterialError } from '../engine.ts';
import type { DropCounts } from './drop-counts.ts';
import { errorCode, errorText, openFailed } from './error-names.ts';
import { Handshakes } from './handshakes.ts';
import { Headroom } from './headroom.ts';
import { Places } from './places.ts';

export type StreamListenSpec = Exclude<ListenSpec, { transport: 'udp' }>;

/** A listening TCP or TLS socket. Hands over connections that can carry data, TLS ones after their handshake. */
export class StreamListener {
  readonly #server: Server;
  readonly #tls: TlsPart | undefined;

  /** Throws TlsMaterialError. */
  static async create(
    spec: StreamListenSpec,
    drops: DropCounts,
    onStream: (socket: Socket) => void,
    handshakeTimeout: Millis = HANDSHAKE_TIMEOUT,
  ): Promise<StreamListener> {
    const onServed = served(drops, onStream);
    if (spec.transport === 'unix' || (spec.transport === 'tcp' && spec.held)) {
      // Who is asked to hold streams counts sources himself: before a balancer all clients have one address.
      return new StreamListener(createServer(optionsOf(spec), onServed), undefined, spec.maxStreams, drops);
    }
    const onSeated = seated(new Places(spec.maxStreams), drops, onServed);
    if (spec.transport === 'tcp') {
      return new StreamListener(createServer(SOCKET_OPTIONS, onSeated), undefined, spec.maxStreams, drops);
    }
    const { server, part } = await createTls(spec, drops, onSeated, handshakeTimeout);
    return new StreamListener(server, part, spec.maxStreams, drops);
  }

  private constructor(server: Server, tls: TlsPart | undefined, maxStreams: number, drops: DropCounts) {
    this.#server = server;
    this.#tls = tls;
    server.maxConnections = maxStreams;
    server.on('drop', () => drops.add('engine', 'too-many-streams'));
    // After listening only accept fails here, for want of descriptors above all; the listener lives on.
    server.on('error', () => {
      if (server.listening) drops.add('engine', 'accept-failed');
    });
  }

  async bind(spec: StreamListenSpec): Promise<OpenResult> {
    if (spec.inherited !== undefined) {
      const failure = await this.#listen({ fd: spec.inherited });
      return failure ?? { ok: true, local: spec.transport === 'unix' ? UNIX_ENDPOINT : spec.local };
    }
    if (spec.transport !== 'unix') return this.#bindTo(spec.local);
    await removeStale(spec.path);
    const failure = await this.#listen({ path: spec.path, backlog: BACKLOG });
    return failure ?? { ok: true, local: UNIX_ENDPOINT };
  }

  async #bindTo(local: Endpoint): Promise<OpenResult> {
    const { address: host, family } = local;
    const failure = await this.#listen({
      host,
      port: local.port,
      ipv6Only: family === 6,
      exclusive: true,
      backlog: BACKLOG,
    });
    if (failure !== undefined) return failure;
    const bound = this.#server.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : local.port;
    return { ok: true, local: { ...local, port } };
  }

  #listen(options: ListenOptions | { readonly fd: number }): Promise<OpenResult | undefined> {
    const server = this.#server;
    return new Promise((resolve) => {
      const failed = (error: Error): void => resolve(openFailed(error));
      server.once('error', failed);
      server.listen(options, () => {
        server.removeListener('error', failed);
        resolve(undefined);
      });
    });
  }

  updateTls(material: TlsMaterial): void {
    if (this.#tls === undefined) throw new EngineMisuse('this listener has no TLS');
    this.#tls.update(material);
  }

  /** Takes no more connections. Ends when those that were handed over have ended too. */
  close(): Promise<void> {
    this.#tls?.handshakes.abandon();
    return new Promise((resolve) => {
      if (this.#server.listening) this.#server.close(() => resolve());
      else resolve();
    });
  }
}

/** Removes the socket of a process that is gone; whatever else is at `path` stays. */
export async function removeStale(path: string): Promise<void> {
  if (await isStale(path)) rmSync(path, { force: true });
}

/** Nobody listens any more at what a process left behind that could not take it along. */
function isStale(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    // Of a file that is no socket the answer is the same: that must stay.
    socket.once('error', (error) => resolve(errorCode(error) === 'ECONNREFUSED' && isSocket(path)));
  });
}

function isSocket(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSocket() ?? false;
}

function optionsOf(spec: Exclude<StreamListenSpec, { transport: 'tls' }>): ServerOpts {
  if (spec.transport === 'unix') return HELD_OPTIONS;
  // Keepalive is set later, with its times, where it is wanted.
  return { noDelay: true, ...HELD_OPTIONS };
}

/** Lets through whom there are descriptors to serve with; Node has accepted him already, so others are closed and counted. */
function served(drops: DropCounts, onStream: (socket: Socket) => void): (socket: Socket) => void {
  const headroom = new Headroom();
  return (socket) => {
    if (headroom.allows(OF_A_CLIENT)) {
      onStream(socket);
      return;
    }
    drops.add('engine', 'no-descriptors');
    socket.on('error', () => {});
    socket.destroy();
  };
}

/** Lets through who still has a place; others are closed and counted. */
function seated(places: Places, drops: DropCounts, onStream: (socket: Socket) => void): (socket: Socket) => void {
  return (socket) => {
    const { remoteAddress } = socket;
    const source = remoteAddress === undefined ? undefined : places.take(remoteAddress);
    if (source === undefined) {
      if (remoteAddress !== undefined) drops.add('engine', 'too-many-of-one-source');
      socket.on('error', () => {});
      socket.destroy();
      return;
    }
    socket.once('close', () => places.leave(source));
    onStream(socket);
  };
}

interface TlsPart {
  readonly handshakes: Handshakes;
  update(material: TlsMaterial): void;
}

/** TLS is loaded only here: it costs 8 MB that a relay without it need not have. */
async function createTls(
  { tls: first, maxStreams }: Extract<ListenSpec, { transport: 'tls' }>,
  drops: DropCounts,
  onStream: (socket: Socket) => void,
  handshakeTimeout: Millis,
): Promise<{ server: Server; part: TlsPart }> {
  const tls = await import('node:tls');
  const options = (material: TlsMaterial) => ({
    cert: material.cert,
    key: material.key,
    minVersion: 'TLSv1.2' as const,
  });
  const refuseUnusable = (material: TlsMaterial): void => {
    try {
      // OpenSSL takes a context without any; then every handshake fails.
      if (material.cert === '' || material.key === '') throw new Error('the text is empty');
      tls.createSecureContext(options(material));
    } catch (error) {
      throw new TlsMaterialError(`certificate or key unusable: ${errorText(error)}`, { cause: error });
    }
  };
  refuseUnusable(first);
  const server = tls.createServer(
    { ...SOCKET_OPTIONS, ...options(first), handshakeTimeout, ALPNProtocols: ALPN_PROTOCOLS },
    onStream,
  );
  const update = (material: TlsMaterial): void => {
    // setSecureContext changes the server before it looks at what it got, so the look comes first.
    refuseUnusable(material);
    server.setSecureContext(options(material));
  };
  return { server, part: { handshakes: new Handshakes(server, maxStreams, drops), update } };
}

/** Descriptors: his own, and that of his upstream or his relayed port. */
const OF_A_CLIENT = 2;
const SOCKET_OPTIONS = { noDelay: true, keepAlive: true };
const HELD_OPTIONS = { allowHalfOpen: true, pauseOnConnect: true };
const HANDSHAKE_TIMEOUT: Millis = 10 * SECOND;
const BACKLOG = 1024;
/** RFC 7443 §3. A client that offers none is as welcome; one that offers only others is refused (RFC 7301 §3.2). */
const ALPN_PROTOCOLS = ['stun.turn', 'stun.nat-discovery'];
