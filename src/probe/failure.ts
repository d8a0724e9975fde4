import type { ErrorCode } from '../wire/stun/message.ts';

/** What can go wrong between a client and a server, as far as the client can tell. */
export type ProbeFault =
  | 'name-not-found'
  | 'no-such-family'
  | 'no-answer'
  | 'refused'
  | 'unreachable'
  | 'closed'
  | 'tls-name'
  | 'tls-expired'
  | 'tls-untrusted'
  | 'tls-failed'
  | 'error-response'
  | 'integrity'
  | 'bid-down'
  | 'no-credentials'
  | 'bad-response'
  | 'no-data'
  | 'large-lost'
  | 'corrupt'
  | 'lossy'
  | 'network';

/** Ends a step of a probe. `errorCode` is there for 'error-response' only. */
export class ProbeError extends Error {
  override readonly name = 'ProbeError';
  readonly code: ProbeFault;
  readonly errorCode: ErrorCode | undefined;

  constructor(code: ProbeFault, message: string, errorCode?: ErrorCode) {
    super(message);
    this.code = code;
    this.errorCode = errorCode;
  }
}

/** What node:dns, node:net, node:tls and node:dgram report, in our words. */
export function fromSystemError(error: unknown): ProbeError {
  if (error instanceof ProbeError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const fault = SYSTEM_FAULTS[code] ?? (code.startsWith('ERR_SSL') ? 'tls-failed' : 'network');
  const words = WORDS[fault];
  return new ProbeError(fault, words === undefined ? message : `${words} (${code})`);
}

const WORDS: Readonly<Partial<Record<ProbeFault, string>>> = {
  'name-not-found': 'the name does not resolve',
  'no-such-family': 'the name has no such address',
  'no-answer': 'no answer',
  refused: 'connection refused',
  unreachable: 'no way to the address',
  closed: 'the server closed the connection',
  'tls-expired': 'the certificate is out of its time',
  'tls-untrusted': 'the certificate is not trusted',
  'tls-failed': 'the TLS handshake failed',
};

const SYSTEM_FAULTS: Readonly<Record<string, ProbeFault>> = {
  ENOTFOUND: 'name-not-found',
  EAI_AGAIN: 'name-not-found',
  ENODATA: 'no-such-family',
  ECONNREFUSED: 'refused',
  ECONNRESET: 'closed',
  EPIPE: 'closed',
  ETIMEDOUT: 'no-answer',
  ENETUNREACH: 'unreachable',
  EHOSTUNREACH: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  ENETDOWN: 'unreachable',
  ERR_TLS_CERT_ALTNAME_INVALID: 'tls-name',
  CERT_HAS_EXPIRED: 'tls-expired',
  CERT_NOT_YET_VALID: 'tls-expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'tls-untrusted',
  SELF_SIGNED_CERT_IN_CHAIN: 'tls-untrusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'tls-untrusted',
  UNABLE_TO_GET_ISSUER_CERT: 'tls-untrusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'tls-untrusted',
  CERT_UNTRUSTED: 'tls-untrusted',
  EPROTO: 'tls-failed',
};
