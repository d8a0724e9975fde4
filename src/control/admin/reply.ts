import type { IncomingMessage, ServerResponse } from 'node:http';

export interface Reply {
  readonly status: number;
  readonly text: string;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export function json(value: unknown, status = 200): Reply {
  return { status, text: `${JSON.stringify(value)}\n`, type: 'application/json' };
}

export function fault(status: number, error: string, headers?: Reply['headers']): Reply {
  return { ...json({ error }, status), ...(headers && { headers }) };
}

/** Headers of every answer: nothing is kept by anybody, guessed at, or shown inside of a foreign page. */
export const SAFE_HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
} as const;

export function send(request: IncomingMessage, response: ServerResponse, reply: Reply): void {
  const { status, text, type, headers } = reply;
  const body = Buffer.from(text);
  response.writeHead(status, {
    'Content-Type': type ?? 'text/plain; charset=utf-8',
    'Content-Length': body.length,
    ...SAFE_HEADERS,
    ...headers,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}
