import type { ProbeOptions } from './probe.ts';

export type PairKeyChoice =
  | { readonly ok: true; readonly key: Uint8Array }
  | { readonly ok: false; readonly fault: string };

/** The secret of a pair relay: as given, else that of a relay on this machine. A fault never shows it. */
export async function choosePairKey({ user, password, secret, pairFallback }: ProbeOptions): Promise<PairKeyChoice> {
  if (user !== undefined || password !== undefined) {
    return { ok: false, fault: 'pair: knows no users: give --secret alone' };
  }
  const text = secret ?? (await pairFallback?.());
  if (text === undefined) {
    return { ok: false, fault: 'pair: needs --secret, the base64 text that the clients have in UDP_RELAY_SECRET_KEY' };
  }
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return { ok: false, fault: '--secret is not base64' };
  return { ok: true, key: new Uint8Array(Buffer.from(text, 'base64')) };
}
