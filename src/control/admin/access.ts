import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export interface Refusal {
  readonly status: 401 | 403;
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Who may ask the admin listener. */
export class Access {
  readonly #token: Uint8Array | undefined;

  constructor(token: string | undefined) {
    this.#token = token === undefined ? undefined : digest(token);
  }

  /**
   * With a token, the token decides. Without one only this machine can connect, and a browser on it might be led here by a foreign page
   * whose name was made to resolve to 127.0.0.1 (DNS rebinding): then the Host header gives it away.
   */
  refuse(request: IncomingMessage): Refusal | undefined {
    if (this.#token === undefined) {
      if (isLocalName(request.headers.host)) return undefined;
      return { status: 403, text: 'The Host header must name this machine by a loopback address or localhost.\n' };
    }
    const given = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1];
    // Digests have one length, so that the comparison tells nothing of the token's.
    if (given !== undefined && timingSafeEqual(digest(given), this.#token)) return undefined;
    return {
      status: 401,
      text: 'A bearer token is needed: Authorization: Bearer TOKEN (admin.token).\n',
      headers: { 'WWW-Authenticate': 'Bearer realm="culvert"' },
    };
  }
}

function digest(token: string): Uint8Array {
  return createHash('sha256').update(token).digest();
}

function isLocalName(host: string | undefined): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i.test(host ?? '');
}
