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
export function explainBindFailure(failure: BindFailure): string {
  const { what, fix } = describeBindFailure(failure);
  return fix === undefined ? what : `${what} (${fix})`;
}

/** The same in two parts. */
export function describeBindFailure({ key, transport, local, failure, detail }: BindFailure): {
  readonly what: string;
  readonly fix?: string;
} {
  const { what, fix } = explanations[failure](local.port, transport, key, detail);
  return { what: `${key}: ${transport}://${endpointKey(local)}: ${what}`, ...(fix !== undefined && { fix }) };
}

/** Why node:http could not listen. */
export function bindFailureOf(error: unknown): { failure: OpenFailure; detail: string } {
  const { code, message } = error as NodeJS.ErrnoException;
  return { failure: failures[code ?? ''] ?? 'failed', detail: code ?? message };
}

const explanations: Readonly<
  Record<
    OpenFailure,
    (port: number, transport: string, key: string, detail: string) => { readonly what: string; readonly fix?: string }
  >
> = {
  'in-use': (port, transport, key) => ({
    what: `port ${port} is in use by another program`,
    fix: `ss -ln${transport === 'udp' ? 'u' : 't'}p "sport = :${port}" as root shows which; end it, or change ${key}`,
  }),
  'not-permitted': (port, _transport, key) =>
    port < 1024
      ? {
          what: 'this user may not open ports below 1024',
          fix: `give the program CAP_NET_BIND_SERVICE, or change ${key}`,
        }
      : { what: `this user may not open port ${port}`, fix: 'a security policy forbids it' },
  'no-address': (_port, _transport, key) => ({
    what: 'this machine does not have the address',
    fix: `ip address lists them; change ${key}`,
  }),
  'no-descriptors': () => ({
    what: 'no file descriptors are left',
    fix: 'raise the limit: ulimit -n, or LimitNOFILE in a systemd unit',
  }),
  failed: (_port, _transport, _key, detail) => ({ what: `cannot be opened (${detail})` }),
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
