import { dirname, resolve } from 'node:path';
import type { CheckContext } from './checks.ts';

/** Paths are relative to where they are written: in a file to the file's folder, elsewhere to the working directory. Makes them absolute. */
export function resolvePaths({ config, originOf }: CheckContext): void {
  const absolute = (path: readonly string[], value: string) => {
    const origin = originOf(path);
    return origin.kind === 'file' ? resolve(dirname(origin.file), value) : resolve(value);
  };
  config.state = absolute(['state'], config.state);
  const tls = config.turn?.tls;
  if (tls !== undefined) {
    tls.cert = absolute(['turn', 'tls', 'cert'], tls.cert);
    tls.key = absolute(['turn', 'tls', 'key'], tls.key);
  }
}
