import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

/** A message of a file in test/wire/vectors, by the number that its section has in the RFC. */
export function vector(file: string, section: string): Uint8Array {
  const lines = readFileSync(new URL(`../vectors/${file}`, import.meta.url), 'utf8').split('\n');
  const hex = lines.find((line, index) => HEX.test(line) && lines[index - 1]?.startsWith(`${section} `));
  assert.ok(hex, `no vector ${section} in ${file}`);
  return Buffer.from(hex, 'hex');
}

const HEX: RegExp = /^([0-9a-f]{2})+$/;
