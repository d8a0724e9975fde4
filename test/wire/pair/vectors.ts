import { readFileSync } from 'node:fs';

export const KEY: Uint8Array = Uint8Array.from({ length: 32 }, (_, index) => index);
export const GUID = '00112233445566778899aabbccddeeff';

/** A handshake of vectors/pair.txt. */
export function vector(name: string): Uint8Array {
  const text = readFileSync(new URL('../vectors/pair.txt', import.meta.url), 'utf8');
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  if (line === undefined) throw new Error(`no vector ${name}`);
  return new Uint8Array(Buffer.from(line.slice(name.length + 1), 'hex'));
}
