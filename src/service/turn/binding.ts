import type { Endpoint } from '../../net/endpoint.ts';
import type { Millis } from '../../net/time.ts';
import type { DecodedMessage } from '../../wire/stun/codec.ts';
import type { Client } from './client.ts';
import type { Core } from './core.ts';
import { refuse, replyTo, succeed } from './responses.ts';

/** RFC 8489 §12: no credentials asked, because checking them costs more than the answer. */
export function handleBinding(core: Core, client: Client, message: DecodedMessage, now: Millis): undefined {
  if (!core.mayReply(client, now)) return;
  const to = replyTo(client, message);
  const { unknownRequired } = message;
  if (unknownRequired.length > 0) {
    return refuse(core, to, 'unknown-attribute', { unknownAttributes: unknownRequired });
  }
  return succeed(core, to, { xorMappedAddress: client.endpoint });
}

/**
 * Sources that only a forger writes: chargen and DNS servers, which would answer our answer, port 0, and addresses that stand for
 * many hosts or none. Whatever we sent there would be an attack by us.
 */
export function isReflector({ family, address, port }: Endpoint): boolean {
  if (port === 0 || port === 19 || port === 53) return true;
  if (family === 6) return address === '::' || /^ff[0-9a-f]{2}:/.test(address);
  const first = Number.parseInt(address, 10);
  return first === 0 || first >= 224;
}
