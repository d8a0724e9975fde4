import { createHmac } from 'node:crypto';
import type { PasswordCredentials } from './target.ts';

/** How long made credentials are good for: long beyond any probe, short if a command line leaks them. */
const LIFETIME_SECONDS = 600;

/** What a user may give: a name and password, or the secret that a server makes time-limited credentials from. */
export interface CredentialOptions {
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly secret?: string | undefined;
}

export type CredentialChoice =
  | { readonly ok: true; readonly credentials: PasswordCredentials | undefined }
  | { readonly ok: false; readonly fault: string };

/** Flags win over the URL. `now` in milliseconds. */
export function chooseCredentials(
  { user, password, secret }: CredentialOptions,
  inUrl: PasswordCredentials | undefined,
  now: number,
): CredentialChoice {
  if (secret !== undefined) {
    if (password !== undefined) return { ok: false, fault: '--secret makes its own password: leave --password out' };
    return { ok: true, credentials: timeLimited(secret, user ?? 'probe', now) };
  }
  if (user === undefined && password === undefined) return { ok: true, credentials: inUrl };
  if (user === undefined) return { ok: false, fault: '--password needs --user' };
  if (password === undefined) return { ok: false, fault: '--user needs --password or --secret' };
  return { ok: true, credentials: { username: user, password } };
}

/** The form that coturn's static-auth-secret made common: "expiry:name" and its HMAC-SHA1, the expiry in Unix seconds. */
function timeLimited(secret: string, name: string, now: number): PasswordCredentials {
  const username = `${Math.floor(now / 1000) + LIFETIME_SECONDS}:${name}`;
  return { username, password: createHmac('sha1', secret).update(username).digest('base64') };
}
