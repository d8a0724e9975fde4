import { type Endpoint, endpointKey } from '../net/endpoint.ts';
import type { OpenFailure } from '../net/open-result.ts';

/** A listener that could not be bound. */
export interface BindFailure {
  /** Where the configuration asks for it, such as turn.listen. */
  readonly key: string;
  /** Scheme of its URL: udp, tcp, tls, http. */
  readonly transport: string;
  readonly local: Endpoint;
  readonly failure: OpenFailure;
  readonly detail: string;
}

/** One line: which listener, what happened, what to do. */
export function explainBindFailure({ key, transport, local, failure, detail }: BindFailure): string {
  return `${key}: ${transport}://${endpointKey(local)}: ${explanations[failure](local.port, transport, key, detail)}`;
}

/** Why node:http could not listen. */
export function bindFailureOf(error: unknown): { failure: OpenFailure; detail: string } {
  const { code, message } = error as NodeJS.ErrnoException;
  return { failure: failures[code ?? ''] ?? 'failed', detail: code ?? message };
}

const explanations: Readonly<
  Record<OpenFailure, (port: number, transport: string, key: string, detail: string) => string>
> = {
  'in-use': (port, transport, key) =>
    `port ${port} is in use by another program (ss -ln${transport === 'udp' ? 'u' : 't'}p "sport = :${port}" shows which; end it, or change ${key})`,
  'not-permitted': (port, _transport, key) =>
    port < 1024
      ? `this user may not open ports below 1024 (give the program CAP_NET_BIND_SERVICE, or change ${key})`
      : `this user may not open port ${port} (a security policy forbids it)`,
  'no-address': (_port, _transport, key) =>
    `this machine does not have the address (ip address lists them; change ${key})`,
  'no-descriptors': () => 'no file descriptors are left (raise the limit: ulimit -n, or LimitNOFILE in a systemd unit)',
  failed: (_port, _transport, _key, detail) => `cannot be opened (${detail})`,
};

const failures: Readonly<Record<string, OpenFailure>> = {
  EADDRINUSE: 'in-use',
  EACCES: 'not-permitted',
  EPERM: 'not-permitted',
  EADDRNOTAVAIL: 'no-address',
  EAFNOSUPPORT: 'no-address',
  EMFILE: 'no-descriptors',
  ENFILE: 'no-descriptors',
};
