import { X509Certificate } from 'node:crypto';
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readSecrets, SECRETS_FILE } from '../../control/state/secrets.ts';
import type { Millis } from '../../net/time.ts';
import { about, type Finding } from './finding.ts';

/** The state folder, made or still to be made. Nothing is written. */
export function stateFindings(folder: string): Finding[] {
  const failure = cannotWrite(folder);
  if (failure !== undefined) {
    const what = `state folder ${folder} cannot be written (${failure}): generated secrets and clients end with the process`;
    return [files('state', 'note', what, `a folder of the user that runs the relay: --set state=DIR`)];
  }
  const secrets = join(folder, SECRETS_FILE);
  if (isOpenToOthers(secrets)) {
    return [files('state', 'note', `${secrets} can be read by other users`, `chmod 600 ${secrets}`)];
  }
  const read = readSecrets(folder);
  if (read?.ok === false) return [files('state', 'problem', read.reason)];
  return [files('state', 'ok', `state folder ${folder}${read === undefined ? ', still to be made' : ''}`)];
}

/** Of tls:// listeners; that the files can be read and belong together is checked with the configuration. */
export function tlsFindings(tls: { readonly cert: string; readonly key: string } | undefined, now: Millis): Finding[] {
  if (tls === undefined) return [];
  const until = new X509Certificate(readFileSync(tls.cert)).validToDate;
  const days = Math.floor((until.getTime() - now) / DAY);
  const day = until.toISOString().slice(0, 10);
  const renew = `renew it (certbot renew); ${tls.cert} is read again when it changes`;
  const findings: Finding[] = [];
  if (days < 0) findings.push(files('certificate', 'problem', `the certificate expired on ${day}`, renew));
  else if (days < SOON) findings.push(files('certificate', 'note', `the certificate expires in ${days} days`, renew));
  else findings.push(files('certificate', 'ok', `certificate until ${day}`));
  if (isOpenToOthers(tls.key)) {
    findings.push(files('key', 'note', `${tls.key} can be read by other users`, `chmod o= ${tls.key}`));
  }
  return findings;
}

/** Errno of why nothing can be made in it. */
function cannotWrite(folder: string): string | undefined {
  for (let path = folder; ; path = dirname(path)) {
    try {
      accessSync(path, constants.W_OK | constants.X_OK);
      return statSync(path).isDirectory() ? undefined : 'ENOTDIR';
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? String(error);
      if (code !== 'ENOENT' || path === dirname(path)) return code;
    }
  }
}

/** By name of everybody; a group is meant as a rule. */
function isOpenToOthers(file: string): boolean {
  try {
    return (statSync(file).mode & 0o007) !== 0;
  } catch {
    return false;
  }
}

const files = about('files');
const DAY: Millis = 86_400_000;
const SOON = 14;
