import type { Endpoint } from '../net/endpoint.ts';
import type { Allocation } from './client.ts';
import type { EchoResult } from './echo.ts';
import type { PasswordCredentials, ProbeTarget } from './target.ts';

export interface SessionOptions {
  /** Family of the relayed addresses. */
  readonly family: 4 | 6 | undefined;
  readonly insecure: boolean;
  /** Milliseconds that each step may take. */
  readonly timeout: number;
  readonly credentials: PasswordCredentials | undefined;
  /** The credentials are those of a relay on this machine, which nobody named for this target. */
  readonly localCredentials: boolean;
  /** For `pair:`, where it is there always. */
  readonly pairKey?: Uint8Array | undefined;
}

/** What a probe has learnt so far; its steps fill it in. */
export interface Session {
  readonly target: ProbeTarget;
  readonly options: SessionOptions;
  server: Endpoint | undefined;
  local: Endpoint | undefined;
  mapped: Endpoint | undefined;
  readonly allocations: Allocation[];
  readonly echoes: EchoResult[];
  /** Not failures, but worth a line. */
  readonly notes: string[];
}

export function newSession(target: ProbeTarget, options: SessionOptions): Session {
  return {
    target,
    options,
    server: undefined,
    local: undefined,
    mapped: undefined,
    allocations: [],
    echoes: [],
    notes: [],
  };
}
