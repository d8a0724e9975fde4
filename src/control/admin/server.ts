import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Endpoint } from '../../net/endpoint.ts';
import { Access } from './access.ts';
import { API_PATH, handleApi } from './api.ts';
import type { Operations } from './operations.ts';
import { fault, type Reply, send } from './reply.ts';

export interface AdminOptions {
  readonly listen: Endpoint;
  readonly token?: string | undefined;
  /** Undefined when new clients can be taken, else why not. */
  readonly notReady: () => string | undefined;
  /** Prometheus' text. */
  readonly metrics: () => string;
  readonly metricsType: string;
  /** Behind /api/v1/, for who has the token. */
  readonly operations?: Operations;
  /** A route failed by our own mistake: it must not end the relay. */
  readonly onError: (error: unknown) => void;
}

export interface AdminServer {
  readonly local: Endpoint;
  close(): Promise<void>;
}

// An import statement would read every export of node:http, and one of them (WebSocket) loads undici: 8 MB of memory for nothing.
const { createServer } = process.getBuiltinModule('node:http');

/** Opens the admin listener; rejects with the system's error when it cannot be bound. */
export async function openAdmin(options: AdminOptions): Promise<AdminServer> {
  const access = new Access(options.token);
  const server = makeServer((request, response) => answer(request, response, options, access));
  await listen(server, options.listen);
  server.on('error', () => {});
  const { port } = server.address() as AddressInfo;
  return { local: { ...options.listen, port }, close: () => closeServer(server) };
}

/**
 * Bodies are small; who sends slowly is cut off. Of those who have not asked yet the first gives way to one too many: a crowd that says nothing
 * must not keep out the probe whose answer decides whether the relay lives.
 */
export function makeServer(handle: RequestListener): Server {
  const silent = new Set<Socket>();
  const server = createServer(LIMITS, (request, response) => {
    const { socket } = request;
    silent.delete(socket);
    response.once('close', () => !socket.destroyed && silent.add(socket));
    handle(request, response);
  });
  server.maxConnections = 2 * MOST_SILENT;
  server.on('connection', (socket) => {
    silent.add(socket);
    socket.once('close', () => silent.delete(socket));
    const [first] = silent;
    if (silent.size > MOST_SILENT) first?.destroy();
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  return server;
}

export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** Answers a request of the API; a failure of ours is a 500 and a report. */
export function serveApi(
  request: IncomingMessage,
  response: ServerResponse,
  operations: Operations,
  onError: (error: unknown) => void,
): void {
  handleApi(request, response, operations).catch((error: unknown) => {
    // The asker is gone: nobody's mistake.
    if (response.destroyed || request.socket.destroyed) return;
    onError(error);
    if (response.headersSent) response.destroy();
    else send(request, response, fault(500, 'this failed; the log says why'));
  });
}

const MOST_SILENT = 256;
const LIMITS = {
  requestTimeout: 10_000,
  headersTimeout: 5_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 5_000,
  maxHeaderSize: 8 * 1024,
} as const;

interface Route {
  /** Probes of load balancers and orchestrators carry neither a token nor our Host name. */
  readonly open: boolean;
  reply(options: AdminOptions): Reply;
}

const routes: ReadonlyMap<string, Route> = new Map([
  ['/healthz', { open: true, reply: () => ({ status: 200, text: 'ok\n' }) }],
  ['/readyz', { open: true, reply: readiness }],
  [
    '/metrics',
    { open: false, reply: ({ metrics, metricsType }) => ({ status: 200, text: metrics(), type: metricsType }) },
  ],
  ['/', { open: false, reply: () => ({ status: 200, text: INDEX }) }],
] satisfies [string, Route][]);

const INDEX = `Culvert

/healthz  200 while the process lives
/readyz   200 when new clients can be taken
/metrics  Prometheus metrics
/api/v1/  with admin.token only; /api/v1/openapi.json describes it
`;

function answer(request: IncomingMessage, response: ServerResponse, options: AdminOptions, access: Access): void {
  const { operations, token, onError } = options;
  const isApi = request.url?.startsWith(API_PATH) === true;
  if (!isApi || operations === undefined) {
    send(request, response, replyTo(request, options, access));
    return;
  }
  const refusal = access.refuse(request);
  if (refusal !== undefined) {
    send(request, response, refusal);
    return;
  }
  // Whoever is on this machine could change it, each of its users and each page in their browsers.
  if (token === undefined) {
    send(
      request,
      response,
      fault(403, 'over TCP the API needs admin.token; on this machine "culvert status" and its like need none'),
    );
    return;
  }
  serveApi(request, response, operations, onError);
}

function replyTo(request: IncomingMessage, options: AdminOptions, access: Access): Reply {
  const route = routes.get((request.url ?? '').split('?', 1)[0] ?? '');
  const refusal = route?.open === true ? undefined : access.refuse(request);
  if (refusal !== undefined) return refusal;
  if (route === undefined) return { status: 404, text: 'There is nothing here; see /.\n' };
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return { status: 405, text: 'Only GET and HEAD.\n', headers: { Allow: 'GET, HEAD' } };
  }
  try {
    return route.reply(options);
  } catch (error) {
    options.onError(error);
    return { status: 500, text: 'This failed; the log says why.\n' };
  }
}

function readiness({ notReady }: AdminOptions): Reply {
  const reason = notReady();
  return reason === undefined ? { status: 200, text: 'ready\n' } : { status: 503, text: `not ready: ${reason}\n` };
}

function listen(server: Server, { address, port, family }: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: address, port, ipv6Only: family === 6 }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
