import type { IncomingMessage } from 'node:http';
import { fault, type Reply } from './reply.ts';

export type BodyResult =
  | { readonly ok: true; readonly value: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly reply: Reply };

/** The JSON object of a request; one without a body has an empty one. */
export async function readBody(request: IncomingMessage): Promise<BodyResult> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY) return refuse(413, `a body has ${MAX_BODY} bytes at most`);
    chunks.push(chunk);
  }
  if (length === 0) return { ok: true, value: {} };
  let value: unknown;
  try {
    value = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    return refuse(400, 'the body is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return refuse(400, 'the body must be a JSON object');
  }
  return { ok: true, value: value as Record<string, unknown> };
}

function refuse(status: number, error: string): BodyResult {
  return { ok: false, reply: fault(status, error, { Connection: 'close' }) };
}

const MAX_BODY = 16 * 1024;
