import { createServer, type Server, type Socket } from 'node:net';
import type { Endpoint } from '../../net/endpoint.ts';
import type { OpenResult } from '../../net/open-result.ts';
import { type Millis, SECOND } from '../../net/time.ts';
import { EngineMisuse, type ListenSpec, type TlsMaterial, TlsMaterialError } from '../engine.ts';
import type { DropCounts } from './drop-counts.ts';
import { errorText, openFailed } from './error-names.ts';
import { Handshakes } from './handshakes.ts';
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
    const onSeated = seated(new Places(spec.maxStreams), drops, onStream);
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

  bind(local: Endpoint): Promise<OpenResult> {
    const server = this.#server;
    return new Promise((resolve) => {
      const failed = (error: Error): void => resolve(openFailed(error));
      server.once('error', failed);
      server.listen(
        { host: local.address, port: local.port, ipv6Only: local.family === 6, exclusive: true, backlog: BACKLOG },
        () => {
          server.removeListener('error', failed);
          const bound = server.address();
          const port = typeof bound === 'object' && bound !== null ? bound.port : local.port;
          resolve({ ok: true, local: { ...local, port } });
        },
      );
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

const SOCKET_OPTIONS = { noDelay: true, keepAlive: true };
const HANDSHAKE_TIMEOUT: Millis = 10 * SECOND;
const BACKLOG = 1024;
/** RFC 7443 §3. A client that offers none is as welcome; one that offers only others is refused (RFC 7301 §3.2). */
const ALPN_PROTOCOLS = ['stun.turn', 'stun.nat-discovery'];
