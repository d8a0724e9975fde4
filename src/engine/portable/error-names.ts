import type { OpenFailure, OpenResult } from '../../net/open-result.ts';
import type { ConnectFailure, ConnectResult } from '../../net/stream-target.ts';

/** What a failed bind means to whoever asked for it. */
export function openFailed(error: unknown): OpenResult {
  return { ok: false, failure: openFailures[errorCode(error)] ?? 'failed', detail: errorText(error) };
}

/** What a failed connect means to whoever asked for it. */
export function connectFailed(error: unknown): ConnectResult {
  return { ok: false, failure: connectFailures[errorCode(error)] ?? 'failed', detail: errorText(error) };
}

/** Name of the drop for an error of sending: few and fixed, because they become label values. */
export function sendFailure(error: unknown): string {
  return sendFailureOf(errorCode(error));
}

/** The same for the name of an errno. */
export function sendFailureOf(code: string): string {
  return sendFailures[code] ?? 'send-failed';
}

export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const openFailures: Readonly<Record<string, OpenFailure>> = {
  EADDRINUSE: 'in-use',
  EMFILE: 'no-descriptors',
  ENFILE: 'no-descriptors',
  EACCES: 'not-permitted',
  EPERM: 'not-permitted',
  EADDRNOTAVAIL: 'no-address',
  EAFNOSUPPORT: 'no-address',
};

const connectFailures: Readonly<Record<string, ConnectFailure>> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'refused',
  // Of a unix socket that is not there.
  ENOENT: 'refused',
  ETIMEDOUT: 'timeout',
  ENETUNREACH: 'unreachable',
  EHOSTUNREACH: 'unreachable',
  ENETDOWN: 'unreachable',
  EHOSTDOWN: 'unreachable',
  EMFILE: 'no-descriptors',
  ENFILE: 'no-descriptors',
  EADDRNOTAVAIL: 'no-address',
  EAFNOSUPPORT: 'no-address',
  EADDRINUSE: 'no-address',
};

const sendFailures: Readonly<Record<string, string>> = {
  EMSGSIZE: 'too-big',
  ENETUNREACH: 'unreachable',
  EHOSTUNREACH: 'unreachable',
  ENETDOWN: 'unreachable',
  EHOSTDOWN: 'unreachable',
  ECONNREFUSED: 'refused',
  EPERM: 'not-permitted',
  EACCES: 'not-permitted',
  EINVAL: 'bad-address',
  EADDRNOTAVAIL: 'bad-address',
  EAFNOSUPPORT: 'bad-address',
  ENOBUFS: 'no-buffers',
  ENOMEM: 'no-buffers',
};

/** All that sendFailure can say. */
export const sendFailureNames: readonly string[] = [...new Set([...Object.values(sendFailures), 'send-failed'])];
