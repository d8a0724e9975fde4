import type { Endpoint } from '../net/endpoint.ts';

/**
 * Sources that only a forger writes: chargen and DNS servers, which would answer our answer, port 0, and addresses that stand for
 * many hosts or none. Whatever we sent there would be an attack by us.
 */
export function isReflector(source: Endpoint): boolean {
  const { port } = source;
  return port === 0 || port === 19 || port === 53 || isNobodysOwn(source);
}

/** An address that stands for many hosts or none. */
export function isNobodysOwn({ family, address }: Endpoint): boolean {
  if (family === 6) return address === '::' || /^ff[0-9a-f]{2}:/.test(address);
  const first = Number.parseInt(address, 10);
  return first === 0 || first >= 224;
}
