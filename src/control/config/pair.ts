import * as v from 'valibot';
import { choice, itemOf, listOf, notation, section, size, whole } from './fields.ts';
import { type Parsed, parseDuration, parseListener, parseSize } from './units.ts';

/** All addresses of the machine. The IPv6 one is left out where a machine has no IPv6 and it was not asked for. */
const DEFAULT_PAIR_LISTENERS = ['udp://0.0.0.0:6060', 'udp://[::]:6060'];

/** Handshakes before v0.8.2, by the version that brought them; all but the first prove nothing. */
const LEGACY_FORMS = ['v0.8.0', 'v0.5', 'v0.4', 'v0.1', 'v0.3.6'] as const;

const rebind = section('When a client that comes from another address gets its seat back.', {
  after: v.optional(
    notation('How long the old address must have been silent; at least 1s.', 'duration', parseDuration),
    '5s',
  ),
  unproven: v.optional(
    choice('Whose handshake is taken when no nonce (`antiReplay`) shows that it is not a recording.', [
      'never',
      'same-address',
      'anyone',
    ]),
    'same-address',
  ),
});

const quota = section('Limits on what clients may hold; 0 = no limit.', {
  perSource: v.optional(whole('Seats of one IPv4 address or one IPv6 /64.', 0, 1_000_000), 256),
  total: v.optional(whole('Pairs, and halves that wait for their second client.', 0, 10_000_000), 65_536),
  bytesPerSecond: v.optional(
    size(
      'Bytes a second of one pair, each way. Up to a second of it, and at least 64 KiB, may come at once.',
      parseSize,
    ),
    0,
  ),
});

const buffers = section("Buffers of the listeners' sockets, in bytes; 0 = what the engine finds good.", {
  receive: v.optional(size('Receive buffer (`--socketRecvBufferSize`).', parseSize), 0),
  send: v.optional(size('Send buffer (`--socketSendBufferSize`).', parseSize), 0),
});

const legacy = v.pipe(
  v.union([v.boolean(), v.string(), v.array(v.string())], 'must be true, false or a list of forms'),
  v.description(
    `Older handshakes to take as well: \`true\` for all, or some of ${LEGACY_FORMS.join(', ')}. Only v0.8.0 asks for the secret.`,
  ),
  v.metadata({ form: 'true, false or form' }),
  v.transform((given): string[] => (typeof given === 'boolean' ? (given ? [...LEGACY_FORMS] : []) : [given].flat())),
  v.array(v.picklist(LEGACY_FORMS, `must be true, false, or of ${LEGACY_FORMS.join(', ')}`)),
);

export const pairSection = section(
  'Pair relay, for clients of udp-relay. The service is on when this section exists.',
  {
    listen: v.optional(
      listOf('Where clients are served: `udp://`, address, port (`--port`, `--ipv6`).', itemOf(parseListener), {
        form: 'listener URL',
      }),
      DEFAULT_PAIR_LISTENERS,
    ),
    secret: v.optional(
      listOf(
        'Secret of the handshakes in base64, or several, all of them valid. Also `UDP_RELAY_SECRET_KEY`. Default: generated and kept in the state folder.',
        itemOf(parseSecret),
        { form: 'base64', secret: true },
      ),
      [],
    ),
    idle: v.optional(
      notation(
        'After how long without a packet a pair is closed (`--cleanupInactiveAfterTime`).',
        'duration',
        parseDuration,
      ),
      '30s',
    ),
    sweep: v.optional(
      notation('How often the idle are closed (`--cleanupTime`).', 'duration', parseDuration),
      '1800ms',
    ),
    legacy: v.optional(legacy, false),
    rebind: v.optional(rebind, {}),
    antiReplay: v.optional(
      choice('Nonces against recorded handshakes (docs/pair-anti-replay.md): for nobody, who wants one, everybody.', [
        'off',
        'offer',
        'require',
      ]),
      'off',
    ),
    nonceLifetime: v.optional(notation('How long a nonce is good.', 'duration', parseDuration), '2m'),
    quota: v.optional(quota, {}),
    buffers: v.optional(buffers, {}),
  },
);

export type PairSettings = v.InferOutput<typeof pairSection>;

/** Base64 → bytes. The reasons never show the secret. */
function parseSecret(text: string): Parsed<Uint8Array> {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return refuse('is not base64 (openssl rand -base64 32 makes a good one)');
  const bytes = new Uint8Array(Buffer.from(text, 'base64'));
  if (Buffer.from(bytes).toString('base64') === PUBLIC_DEFAULT) {
    return refuse('is the key that every copy of udp-relay has (make your own: openssl rand -base64 32)');
  }
  if (bytes.length < 16) return refuse('is shorter than 16 bytes (openssl rand -base64 32 makes a good one)');
  return { ok: true, value: bytes };
}

function refuse(reason: string): Parsed<Uint8Array> {
  return { ok: false, reason };
}

/** Built into udp-relay, so no secret at all. */
const PUBLIC_DEFAULT = 'Zkw2SThGM2VndjZBcEMxNWZrSk85VTd4S2VERDZYdXI=';
