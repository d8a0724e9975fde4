import { createHmac } from 'node:crypto';

export interface TimeLimitedCredentials {
  /** `expiry:name`, expiry in Unix seconds. */
  readonly username: string;
  readonly credential: string;
  readonly expires: Date;
}

/** Credentials that anyone who knows the secret can check: base64(HMAC-SHA1(secret, "expiry:name")), as coturn's REST API makes them. */
export function makeTimeLimited(secret: string, name: string, ttl: number, now: number): TimeLimitedCredentials {
  const expiry = Math.floor((now + ttl) / 1000);
  const username = name === '' ? String(expiry) : `${expiry}:${name}`;
  const credential = createHmac('sha1', secret).update(username).digest('base64');
  return { username, credential, expires: new Date(expiry * 1000) };
}
