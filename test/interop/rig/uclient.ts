import { runChild } from './children.ts';

/** What turnutils_uclient said at its end. */
export interface UclientOutcome {
  readonly code: number | null;
  /** Messages over all its sessions; undefined when it did not get that far. */
  readonly sent: number | undefined;
  readonly received: number | undefined;
  readonly lost: number | undefined;
  readonly output: string;
}

const TIMEOUT_MILLIS = 40_000;

export async function runUclient(args: readonly string[], timeout = TIMEOUT_MILLIS): Promise<UclientOutcome> {
  const { code, output } = await runChild('turnutils_uclient', args, timeout);
  return { code, ...parseUclient(output), output };
}

/** The totals, which stand alone in their line; running totals have more on theirs. */
export function parseUclient(output: string): Pick<UclientOutcome, 'sent' | 'received' | 'lost'> {
  const totals = /start_mclient: tot_send_msgs=(\d+), tot_recv_msgs=(\d+)\s*$/m.exec(output);
  const lost = /Total lost packets (\d+) \(/.exec(output);
  return { sent: number(totals?.[1]), received: number(totals?.[2]), lost: number(lost?.[1]) };
}

function number(digits: string | undefined): number | undefined {
  return digits === undefined ? undefined : Number(digits);
}
