import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServiceName } from '../../flow/flow.ts';
import { parsePrefix } from '../../net/prefix.ts';
import { parseDuration } from '../config/units.ts';
import { readBody } from './body.ts';
import { sendList } from './listing.ts';
import { openApi } from './openapi.ts';
import type { BlockOutcome, Operations } from './operations.ts';
import { foreignOrigin } from './origin.ts';
import { fault, json, type Reply, send } from './reply.ts';

export const API_PATH = '/api/v1/';

/** `/api/v1/…`: the same over the local socket and over TCP. Who may ask is decided before. */
export async function handleApi(request: IncomingMessage, response: ServerResponse, operations: Operations) {
  const foreign = foreignOrigin(request);
  if (foreign !== undefined) return send(request, response, fault(foreign.status, foreign.error));
  const url = new URL(request.url ?? '', 'http://localhost');
  const methods = routes[url.pathname.slice(API_PATH.length)];
  if (methods === undefined) return send(request, response, fault(404, `there is no ${url.pathname}`));
  const route = methods[request.method === 'HEAD' ? 'GET' : (request.method ?? '')];
  if (route === undefined) {
    const allow = Object.keys(methods).join(', ');
    return send(request, response, fault(405, `only ${allow}`, { Allow: allow }));
  }
  const body = request.method === 'GET' || request.method === 'HEAD' ? undefined : await readBody(request);
  if (body?.ok === false) return send(request, response, body.reply);
  const asked: Asked = { operations, query: url.searchParams, body: body?.value ?? {}, request, response };
  const reply = await route(asked);
  if (reply !== undefined) send(request, response, reply);
}

interface Asked {
  readonly operations: Operations;
  readonly query: URLSearchParams;
  readonly body: Readonly<Record<string, unknown>>;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Undefined: it has answered itself. */
type Route = (asked: Asked) => Reply | undefined | Promise<Reply | undefined>;

const routes: Readonly<Record<string, Readonly<Record<string, Route>>>> = {
  __proto__: null as never,
  status: { GET: ({ operations }) => json(operations.status()) },
  clients: { GET: (asked) => list(asked, 'clients', (service) => asked.operations.clients(service)) },
  flows: { GET: (asked) => list(asked, 'flows', (service) => asked.operations.flows(service)) },
  blocks: {
    GET: ({ operations }) => json({ blocks: operations.blocks() }),
    POST: addBlock,
    DELETE: removeBlock,
  },
  reload: {
    POST: async ({ operations }) => {
      const report = await operations.reload();
      return json(report, report.ok ? 200 : 422);
    },
  },
  drain: {
    GET: ({ operations }) => json({ drain: operations.status().drain }),
    POST: ({ operations }) => json({ drain: operations.drain() }),
    DELETE: ({ operations }) => {
      const result = operations.resume();
      return result.ok ? json({ undone: result.undone }) : fault(409, result.reason);
    },
  },
  'openapi.json': { GET: () => json(openApi()) },
};

async function list(
  { query, request, response }: Asked,
  name: string,
  walk: (service: ServiceName | undefined) => Iterable<unknown>,
): Promise<Reply | undefined> {
  const service = query.get('service') ?? undefined;
  if (service !== undefined && !isService(service)) return fault(400, `service is one of ${SERVICES.join(', ')}`);
  const limit = Number(query.get('limit') ?? DEFAULT_LIMIT);
  if (!Number.isSafeInteger(limit) || limit < 0) return fault(400, 'limit is a whole number, 0 = all');
  const lines = (request.headers.accept ?? '').includes('application/x-ndjson');
  if (request.method === 'HEAD') return json({});
  await sendList(response, walk(service), { name, limit, lines });
  return undefined;
}

function addBlock({ operations, body }: Asked): Reply {
  const unknown = Object.keys(body).find((key) => !['prefix', 'for', 'reason'].includes(key));
  if (unknown !== undefined)
    return fault(400, `unknown key ${JSON.stringify(unknown)}: prefix, for and reason are known`);
  const { prefix, for: duration, reason = '' } = body;
  if (typeof prefix !== 'string' || parsePrefix(prefix) === undefined) return fault(400, NO_PREFIX);
  if (typeof reason !== 'string' || reason.length > 200)
    return fault(400, 'reason is a text of at most 200 characters');
  if (duration === undefined) return outcome(operations.block(prefix, undefined, reason), 201);
  const parsed = typeof duration === 'string' ? parseDuration(duration) : undefined;
  if (!parsed?.ok || parsed.value === 0 || parsed.value > LONGEST) {
    return fault(400, 'for is a duration such as 30m, 1h or 7d, of ten years at most');
  }
  return outcome(operations.block(prefix, Date.now() + parsed.value, reason), 201);
}

function removeBlock({ operations, body, query }: Asked): Reply {
  const prefix = query.get('prefix') ?? body.prefix;
  if (typeof prefix !== 'string' || parsePrefix(prefix) === undefined) return fault(400, NO_PREFIX);
  return outcome(operations.unblock(prefix), 200);
}

function outcome(result: BlockOutcome, status: number): Reply {
  if (result.ok) return json({ prefix: result.prefix, kept: result.kept }, status);
  return fault(result.failure === 'not-blocked' ? 404 : 409, result.reason);
}

function isService(text: string): text is ServiceName {
  return (SERVICES as readonly string[]).includes(text);
}

export const SERVICES: readonly ServiceName[] = ['turn', 'wireguard', 'pair', 'forward'];
const DEFAULT_LIMIT = 1000;
const LONGEST = 3650 * 24 * 3600 * 1000;
const NO_PREFIX =
  'prefix is an address or a CIDR block such as 192.0.2.0/24 or 2001:db8::/32, no bits set beyond the length';
