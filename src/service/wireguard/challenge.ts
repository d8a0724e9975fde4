import type { Endpoint } from '../../net/endpoint.ts';
import type { SocketId } from '../../net/ids.ts';
import type { Millis } from '../../net/time.ts';
import { encodeCookieReply } from '../../wire/wireguard/cookie.ts';
import { hasMac2 } from '../../wire/wireguard/mac.ts';
import type { Initiation } from '../../wire/wireguard/message.ts';
import type { Core } from './core.ts';

/** Nothing is kept of who is challenged. The reply is smaller than what it answers. */
export function sendCookie(
  core: Core,
  at: SocketId,
  from: Endpoint,
  { sender, mac1 }: Initiation,
  cookieKey: Uint8Array,
  now: Millis,
): undefined {
  const reply = encodeCookieReply({ sender, mac1 }, cookieKey, core.cookies.make(from, now), core.random);
  core.orders.add({ type: 'send', from: at, to: from, packet: reply });
}

/** A mac2 of zeros is no mac2. */
export function hasOurCookie(core: Core, from: Endpoint, packet: Uint8Array, now: Millis): boolean {
  if (packet.subarray(132).every((byte) => byte === 0)) return false;
  return core.cookies.valid(from, now).some((cookie) => hasMac2(packet, cookie));
}
