import * as v from 'valibot';
import { flag, itemOf, listOf, notation, section, size, text, whole } from './fields.ts';
import { type Parsed, parseDuration, parseSize, parseUdpListener } from './units.ts';

/** All addresses of the machine. The IPv6 one is left out where a machine has no IPv6 and it was not asked for. */
const DEFAULT_WIREGUARD_LISTENERS = ['udp://0.0.0.0:51820', 'udp://[::]:51820'];

const MUST_BE_PEER = 'must have a publicKey and may have a name: { name: laptop, publicKey: "..." }';

const peer = v.strictObject(
  {
    name: v.optional(
      v.pipe(
        v.string('must be text'),
        v.maxLength(64, 'must have at most 64 characters'),
        v.description('For the log and for lists of clients.'),
        v.metadata({ form: 'text' }),
      ),
      'unnamed',
    ),
    publicKey: v.pipe(
      v.string('must be text: a public key (put it in quotes)'),
      v.description('As `wg pubkey` prints it.'),
      v.metadata({ form: 'base64' }),
      v.rawTransform(readKey),
    ),
  },
  MUST_BE_PEER,
);

const peers = v.pipe(
  v.array(peer, 'must be a list of { name, publicKey }'),
  v.description(
    'Whom the relay serves, by public key (`wg pubkey`); nobody else then. Empty: whoever comes, and an initiation goes to few of those that may be meant.',
  ),
  v.metadata({ form: '{ name, publicKey }' }),
);

const budget = (description: string, perAddress: number, perPrefix: number, burstSeconds: number) =>
  v.optional(
    section(description, {
      perAddress: v.optional(whole('A second, for one address; 0 = no limit.', 0, 1_000_000), perAddress),
      perPrefix: v.optional(whole('A second, for one /24 or /64; 0 = no limit.', 0, 1_000_000), perPrefix),
      burstSeconds: v.optional(whole('Seconds of budget that may be saved up.', 1, 3600), burstSeconds),
    }),
    {},
  );

const quota = section('Limits on what clients may use; 0 = no limit.', {
  bytesPerSecond: v.optional(
    size(
      'Bytes a second that one client may send, to all its partners together. Up to a second of it, and at least 64 KiB, may come at once.',
      parseSize,
    ),
    0,
  ),
});

const proof = section(
  'The relay as a WireGuard peer of its own clients (docs/wireguard.md): a handshake with it proves which of `wireguard.peers` is where. On when this section exists.',
  {
    privateKey: v.optional(
      v.pipe(
        text('Private key of the relay (`wg genkey`). Default: generated and kept in the state folder.', {
          form: 'base64',
          secret: true,
        }),
        v.rawTransform(readKey),
      ),
    ),
    required: v.optional(flag('Relay nobody who has not proved to be one of `wireguard.peers`.'), false),
    agreementsPerSecond: v.optional(
      whole(
        'Work on handshakes with the relay: five operations on the curve each, 0.1 ms an operation.',
        10,
        1_000_000,
      ),
      1000,
    ),
  },
);

export const wireguardSection = section('WireGuard relay. The service is on when this section exists.', {
  listen: v.optional(
    listOf('Where peers are served: what they have as Endpoint.', itemOf(parseUdpListener), { form: 'listener URL' }),
    DEFAULT_WIREGUARD_LISTENERS,
  ),
  peers: v.optional(peers, []),
  challenge: v.optional(
    flag(
      'Have unknown sources show a cookie before their initiations go to anybody, which costs them 5 s once. Needs `wireguard.peers`.',
    ),
    false,
  ),
  proof: v.optional(proof),
  maxClients: v.optional(whole('Endpoints that are served at a time.', 2, 1_000_000), 10_000),
  fanOut: v.optional(whole('Endpoints that an initiation goes to while nobody knows whom it is for.', 1, 256), 16),
  timeout: v.optional(notation('How long a client is remembered without a packet.', 'duration', parseDuration), '5m'),
  quota: v.optional(quota, {}),
  initiations: budget('Initiations of one source.', 50, 500, 5),
  unasked: budget(
    'Initiations of others that one destination is sent, beyond those of its own partners. One that proved nothing yet is charged two for each.',
    5,
    50,
    10,
  ),
  hashesPerSecond: v.optional(
    whole(
      'Work on initiations of unknown sources while keys are registered: one hash of 1 µs for each key.',
      100,
      100_000_000,
    ),
    60_000,
  ),
});

export type WireguardSettings = v.InferOutput<typeof wireguardSection>;

/** 32 bytes in base64, as `wg` writes them. */
function parseKey(text: string): Parsed<Uint8Array> {
  const bytes = /^[A-Za-z0-9+/]{43}=$/.test(text) ? Buffer.from(text, 'base64') : undefined;
  if (bytes?.length === 32) return { ok: true, value: new Uint8Array(bytes) };
  return { ok: false, reason: 'is not a WireGuard key (44 characters of base64, as "wg pubkey" prints it)' };
}

function readKey({
  dataset,
  addIssue,
  NEVER,
}: Parameters<Parameters<typeof v.rawTransform<string, Uint8Array>>[0]>[0]) {
  const parsed = parseKey(dataset.value);
  if (parsed.ok) return parsed.value;
  addIssue({ message: parsed.reason });
  return NEVER;
}
