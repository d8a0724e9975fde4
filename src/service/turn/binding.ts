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
