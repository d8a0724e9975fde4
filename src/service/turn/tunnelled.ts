import type { Endpoint } from '../../net/endpoint.ts';

/**
 * RFC 8656 §21.4: "a TURN server MUST NOT accept Teredo or 6to4 addresses in these requests". Between the two ends of such a tunnel one
 * packet with many TURN headers would go back and forth until the last is used up. A client without an allocation binds no channel, so
 * it is enough to refuse the Allocate. Peers there are the peer filter's to refuse.
 */
export function isTunnelled({ family, address }: Endpoint): boolean {
  return family === 6 && TUNNELLED.test(address);
}

/** 2002::/16 and 2001::/32, as canonical text writes them. */
const TUNNELLED: RegExp = /^(?:2002:|2001:0?:)/;
