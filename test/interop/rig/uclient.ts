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
  let { code, output } = await runChild('turnutils_uclient', args, timeout);
  if (output.includes(CHANNEL_TAKEN)) ({ code, output } = await runChild('turnutils_uclient', args, timeout));
  return { code, ...parseUclient(output), output };
}

/** It draws channel numbers at random: now and then two of one allocation are the same, which is refused (RFC 8656 §12.2). Twice in a row they are not. */
const CHANNEL_TAKEN = 'channel bind: error 400';

/** The totals, which stand alone in their line; running totals have more on theirs. */
export function parseUclient(output: string): Pick<UclientOutcome, 'sent' | 'received' | 'lost'> {
  const totals = /start_mclient: tot_send_msgs=(\d+), tot_recv_msgs=(\d+)\s*$/m.exec(output);
  const lost = /Total lost packets (\d+) \(/.exec(output);
  return { sent: number(totals?.[1]), received: number(totals?.[2]), lost: number(lost?.[1]) };
}

function number(digits: string | undefined): number | undefined {
  return digits === undefined ? undefined : Number(digits);
}
