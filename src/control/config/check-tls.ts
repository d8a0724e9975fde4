import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { listenersOf } from './check-listeners.ts';
import type { Check, CheckContext, Findings } from './checks.ts';
import { unreadable } from './yaml-file.ts';

const CERT = ['turn', 'tls', 'cert'];
const KEY = ['turn', 'tls', 'key'];

/** tls:// listeners have a certificate; certificate and key can be read and belong together. */
export const checkTls: Check = (context, findings) => {
  const { turn } = context.config;
  if (turn === undefined) return;
  if (turn.tls === undefined) {
    const listener = listenersOf(context, 'turn').find(([, { transport }]) => transport === 'tls');
    if (listener !== undefined && context.isSound(['turn', 'tls'])) {
      findings.fault(listener[0], 'a tls:// listener needs turn.tls with cert and key');
    }
    return;
  }
  const cert = readPem(CERT, turn.tls.cert, context, findings);
  const key = readPem(KEY, turn.tls.key, context, findings);
  const certificate = cert === undefined ? undefined : parseCertificate(cert, findings);
  const privateKey = key === undefined ? undefined : parseKey(key, findings);
  if (certificate === undefined || privateKey === undefined) return;
  if (!certificate.checkPrivateKey(privateKey)) {
    findings.fault(KEY, 'does not belong to the certificate in turn.tls.cert (take the pair of one issue)');
  }
};

/** Why certificate and key cannot be used together, or undefined when they can. */
export function judgeTls(cert: string, key: string): string | undefined {
  let reason: string | undefined;
  const findings: Findings = {
    fault: (path, message) => void (reason ??= `${path.at(-1)}: ${message}`),
    warn: () => {},
  };
  const certificate = parseCertificate(cert, findings);
  const privateKey = parseKey(key, findings);
  if (certificate !== undefined && privateKey !== undefined && !certificate.checkPrivateKey(privateKey)) {
    return 'the key does not belong to the certificate';
  }
  return reason;
}

function readPem(path: string[], file: string, context: CheckContext, findings: Findings): string | undefined {
  if (!context.isSound(path)) return undefined;
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    findings.fault(path, `${file}: ${unreadable(error)}`);
    return undefined;
  }
}

function parseCertificate(pem: string, findings: Findings): X509Certificate | undefined {
  try {
    const certificate = new X509Certificate(pem);
    if (certificate.validToDate.getTime() < Date.now()) {
      findings.warn(
        CERT,
        `expired on ${certificate.validToDate.toISOString().slice(0, 10)} (renew it: clients will refuse it)`,
      );
    }
    return certificate;
  } catch {
    findings.fault(CERT, 'holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)');
    return undefined;
  }
}

function parseKey(pem: string, findings: Findings) {
  try {
    return createPrivateKey(pem);
  } catch {
    findings.fault(KEY, 'holds no private key in PEM form without a passphrase (-----BEGIN PRIVATE KEY-----)');
    return undefined;
  }
}
