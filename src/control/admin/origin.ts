import type { IncomingMessage } from 'node:http';

/**
 * Why a request may come from a page of somebody else, or undefined. A browser names the page's origin; programs name none. State is changed
 * by JSON only, which no form of a foreign page can send without asking first.
 */
export function foreignOrigin({ headers, method }: IncomingMessage): { status: 403 | 415; error: string } | undefined {
  const { origin, host } = headers;
  const site = headers['sec-fetch-site'];
  const isForeign = origin !== undefined && (host === undefined || !isSame(origin, host));
  if (isForeign || (site !== undefined && site !== 'same-origin' && site !== 'none')) {
    return { status: 403, error: 'requests of foreign pages are refused (Origin)' };
  }
  if (method === 'GET' || method === 'HEAD') return undefined;
  if (/^application\/json *(;|$)/i.test(headers['content-type'] ?? '')) return undefined;
  return { status: 415, error: 'Content-Type must be application/json' };
}

function isSame(origin: string, host: string): boolean {
  return [`http://${host}`, `https://${host}`].includes(origin.toLowerCase()) && host === host.toLowerCase();
}
