import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { TlsMaterial } from '../../src/engine/engine.ts';
import { afterwards } from '../afterwards.ts';

/** A certificate for one test, made by openssl (see the requirement of that name). */
export function selfSigned(t: TestContext, commonName: string): TlsMaterial {
  const folder = mkdtempSync(join(tmpdir(), 'culvert-tls-'));
  afterwards(t, () => rmSync(folder, { recursive: true }));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const names = ['-subj', `/CN=${commonName}`, '-days', '1'];
  execFileSync('openssl', ['req', '-x509', ...curve, ...names, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
}
