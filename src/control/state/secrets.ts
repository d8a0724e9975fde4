import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { replaceFile } from './replace-file.ts';

/** What Culvert generates for itself, once per state folder. */
export interface StateSecrets {
  /** Key of the nonce HMAC (32 bytes), so that nonces outlive a restart. */
  readonly nonceKey: Uint8Array;
  /** Used where the configuration names no credentials. */
  readonly turn: GeneratedCredentials;
  /** Base64, used where the configuration names no secret of the pair relay. */
  readonly pair: string;
  /** Private key of the relay as a WireGuard peer (32 bytes), used where the configuration names none. */
  readonly wireguard: Uint8Array;
}

export interface GeneratedCredentials {
  readonly username: string;
  readonly password: string;
  /** For time-limited credentials. */
  readonly secret: string;
}

export type SecretsResult =
  | {
      readonly ok: true;
      readonly secrets: StateSecrets;
      /** False when they last only as long as this process. */
      readonly kept: boolean;
      /** False when the file is of an older version and what it lacks was made just now. */
      readonly complete: boolean;
      /** Something that the operator should know. */
      readonly note?: string;
    }
  | { readonly ok: false; readonly reason: string };

/** Name of the file in the state folder. `culvert probe` reads it as well. */
export const SECRETS_FILE = 'secrets.json';

/**
 * Reads the secrets of a state folder; makes folder (0700) and file (0600) when they are not there. A file that is there and cannot be
 * used is a failure: making a new one would silently turn every client away. A folder that cannot be written (a read-only container)
 * gives secrets that last as long as the process, and a note that says so.
 */
export function loadOrMakeSecrets(folder: string): SecretsResult {
  const existing = readSecrets(folder);
  return existing?.ok === false || existing?.complete === true
    ? existing
    : keep(folder, existing?.secrets ?? makeSecrets());
}

function keep(folder: string, made: StateSecrets): SecretsResult {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    replaceFile(join(folder, SECRETS_FILE), `${JSON.stringify(toFile(made), null, 2)}\n`, 0o600);
    return { ok: true, secrets: made, kept: true, complete: true };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    const note = `state folder ${folder} cannot be written (${code}): generated secrets will not outlive this process`;
    return { ok: true, secrets: made, kept: false, complete: true, note };
  }
}

/** The secrets of a state folder, or undefined when it has none yet. */
export function readSecrets(folder: string): SecretsResult | undefined {
  const file = join(folder, SECRETS_FILE);
  let source: string;
  try {
    source = readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    return {
      ok: false,
      reason: `${file}: cannot be read (${code ?? 'unknown error'}; check its owner and permissions, or choose another folder: --set state=DIR)`,
    };
  }
  const parsed = v.safeParse(secretsFile, source);
  if (!parsed.success) {
    return { ok: false, reason: `${file}: is damaged (restore it, or remove it to have new secrets generated)` };
  }
  const { nonceKey, turn, pair, wireguard } = parsed.output;
  const secrets = { nonceKey, turn, pair: pair ?? makePairSecret(), wireguard: wireguard ?? makeKey() };
  const note = [tighten(file), faultOf(folder)].filter((part) => part !== undefined).join('; ') || undefined;
  return {
    ok: true,
    secrets,
    kept: true,
    complete: pair !== undefined && wireguard !== undefined,
    ...(note === undefined ? {} : { note }),
  };
}

const key = v.pipe(
  v.string(),
  v.base64(),
  v.transform((text): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'))),
  v.length(32),
);

const secretsFile = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({
    version: v.literal(1),
    nonceKey: key,
    turn: v.object({
      username: v.pipe(v.string(), v.nonEmpty()),
      password: v.pipe(v.string(), v.nonEmpty()),
      secret: v.pipe(v.string(), v.nonEmpty()),
    }),
    // Not in files of version 0.1.
    pair: v.optional(v.pipe(v.string(), v.base64(), v.nonEmpty())),
    wireguard: v.optional(key),
  }),
);

function toFile({ nonceKey, turn, pair, wireguard }: StateSecrets): v.InferInput<typeof secretsFile> | object {
  return { version: 1, nonceKey: inBase64(nonceKey), turn, pair, wireguard: inBase64(wireguard) };
}

function makeSecrets(): StateSecrets {
  return {
    nonceKey: makeKey(),
    turn: {
      username: 'culvert',
      password: randomBytes(18).toString('base64url'),
      secret: randomBytes(32).toString('base64url'),
    },
    pair: makePairSecret(),
    wireguard: makeKey(),
  };
}

function makeKey(): Uint8Array {
  return new Uint8Array(randomBytes(32));
}

function inBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

function makePairSecret(): string {
  return randomBytes(32).toString('base64');
}

/** Whoever can write there can replace the secrets, links and all. The folder may be one that others need, so its permissions are not ours to change. */
function faultOf(folder: string): string | undefined {
  if (process.platform === 'win32' || (statSync(folder).mode & 0o022) === 0) return undefined;
  return `state folder ${folder} can be written by other users (chmod 700 it)`;
}

/** Somebody copied or restored the file with wider permissions: takes them back. */
function tighten(file: string): string | undefined {
  if (process.platform === 'win32' || (statSync(file).mode & 0o077) === 0) return undefined;
  try {
    chmodSync(file, 0o600);
    return `${file} could be read by other users; its permissions are 0600 again`;
  } catch {
    return `${file} can be read by other users (chmod 600 it)`;
  }
}
