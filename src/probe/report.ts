import type { Endpoint } from '../net/endpoint.ts';
import { endpointKey } from '../net/endpoint.ts';
import type { Session } from './session.ts';
import type { Step, Steps } from './steps.ts';

/** What `--json` prints. Addresses as `address:port`, times in milliseconds. */
export interface ProbeReport {
  readonly url: string;
  readonly ok: boolean;
  readonly server: string | null;
  readonly local: string | null;
  readonly mapped: string | null;
  readonly relayed: readonly string[];
  readonly lifetime: number | null;
  readonly steps: readonly Step[];
  readonly notes: readonly string[];
  readonly failure: {
    readonly step: string;
    readonly code: string;
    readonly status: number | null;
    readonly sentence: string;
  } | null;
}

/** `url` must carry no password. */
export function makeReport(url: string, session: Session, steps: Steps, sentence: string | undefined): ProbeReport {
  const { failure } = steps;
  return {
    url,
    ok: sentence === undefined,
    server: text(session.server),
    local: text(session.local),
    mapped: text(session.mapped),
    relayed: session.allocations.map(({ relayed }) => endpointKey(relayed)),
    lifetime: session.allocations[0]?.lifetime ?? null,
    steps: steps.done.map((step) => ({ ...step, millis: Math.round(step.millis * 1000) / 1000 })),
    notes: session.notes,
    failure:
      sentence === undefined
        ? null
        : {
            step: failure?.step ?? '',
            code: failure?.error.code ?? 'network',
            status: failure?.error.errorCode?.code ?? null,
            sentence,
          },
  };
}

/** One line of the table that grows while a probe runs. */
export function formatStep({ name, ok, millis, detail }: Step): string {
  return ` ${ok ? '✔' : '✘'} ${name.padEnd(12)} ${millis.toFixed(1).padStart(8)} ms  ${printable(detail)}`;
}

/** Text of a server goes to a terminal: nothing in it may move the cursor or forge a line. */
export function printable(value: string): string {
  return value.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\uFFFD');
}

function text(endpoint: Endpoint | undefined): string | null {
  return endpoint === undefined ? null : endpointKey(endpoint);
}
