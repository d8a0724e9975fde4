import * as v from 'valibot';
import { flag, itemOf, listOf, notation, section, size, text, whole } from './fields.ts';
import { choiceOfSoftware } from './software.ts';
import {
  parseCidr,
  parseDuration,
  parseHostIpv4,
  parseHostIpv6,
  parseListener,
  parsePortRange,
  parseSize,
} from './units.ts';

/** All addresses of the machine. The IPv6 ones are left out where a machine has no IPv6 and they were not asked for. */
const DEFAULT_TURN_LISTENERS = ['udp://0.0.0.0:3478', 'tcp://0.0.0.0:3478', 'udp://[::]:3478', 'tcp://[::]:3478'];

const secretList = (description: string) =>
  v.optional(
    listOf(description, v.pipe(v.string(), v.nonEmpty('must not be empty')), { form: 'text', secret: true }),
    [],
  );

const relay = section('Relayed transport addresses, which peers see.', {
  ipv4: v.optional(
    notation('Relayed IPv4 address that clients are told. Default: `public.ipv4`.', 'IPv4 address', parseHostIpv4),
  ),
  ipv6: v.optional(
    notation('Relayed IPv6 address that clients are told. Default: `public.ipv6`.', 'IPv6 address', parseHostIpv6),
  ),
  ports: v.optional(
    notation('Ports of relayed addresses, lowest and highest.', 'port range', parsePortRange),
    '49152-65535',
  ),
});

const firezone = section("Credentials in Firezone's form, side by side with the others.", {
  stampSecret: secretList('Stamp secret, or several.'),
});

const tls = section('Certificate of `tls://` listeners. The files are read again when they change.', {
  cert: text('File with the certificate chain, PEM.', { form: 'file' }),
  key: text('File with the private key, PEM.', { form: 'file' }),
});

const peers = section('Whom clients may reach through the relay. `deny` wins over `allow`.', {
  allow: v.optional(
    listOf(
      'Address blocks to allow although they are private or special-purpose, which is denied otherwise.',
      itemOf(parseCidr),
      { form: 'CIDR' },
    ),
    [],
  ),
  deny: v.optional(listOf('Address blocks to deny.', itemOf(parseCidr), { form: 'CIDR' }), []),
});

const quota = section('Limits on what clients may use; 0 = no limit.', {
  perUser: v.optional(whole('Allocations of one user.', 0, 1_000_000), 0),
  total: v.optional(whole('Allocations in all.', 0, 1_000_000), 0),
  bytesPerSecond: v.optional(
    size(
      'Bytes a second of one allocation, each way. Up to a second of it, and at least 64 KiB, may come at once.',
      parseSize,
    ),
    0,
  ),
});

const lifetime = section('How long an allocation lives without a refresh (RFC 8656 section 7.2).', {
  default: v.optional(notation('When the client asks for nothing.', 'duration', parseDuration), '10m'),
  max: v.optional(notation('The most a client gets.', 'duration', parseDuration), '1h'),
});

const user = v.pipe(
  v.string(),
  v.nonEmpty('a user name must not be empty'),
  v.maxBytes(508, 'a user name has at most 508 bytes (RFC 8489 section 14.3)'),
);
const password = v.pipe(
  v.string('must be text (put quotes round numbers)'),
  v.nonEmpty('a password must not be empty'),
);

/** As it goes out (RFC 8265, NFC): a few characters are taken apart and need more room than as written. */
function fitsRealm(realm: string): boolean {
  return realm.normalize('NFC').length <= 127;
}

export const turnSection = section('STUN and TURN. The service is on when this section exists.', {
  listen: v.optional(
    listOf('Where clients are served: `udp://`, `tcp://` or `tls://`, address, port.', itemOf(parseListener), {
      form: 'listener URL',
    }),
    DEFAULT_TURN_LISTENERS,
  ),
  realm: v.optional(
    v.pipe(
      text('Realm of the credentials.'),
      v.nonEmpty('must not be empty'),
      v.maxLength(127, 'must be shorter'),
      v.check(fitsRealm, 'must be shorter'),
    ),
    'culvert',
  ),
  relay: v.optional(relay, {}),
  users: v.optional(
    v.pipe(
      v.record(user, password, 'must map user names to passwords'),
      v.description('Long-term credentials: name → password.'),
      v.metadata({ form: 'map', secret: true }),
    ),
    {},
  ),
  secret: secretList(
    "Shared secret of time-limited credentials (coturn's `static-auth-secret`), or several, all of them valid.",
  ),
  firezone: v.optional(firezone, {}),
  tls: v.optional(tls),
  peers: v.optional(peers, {}),
  quota: v.optional(quota, {}),
  lifetime: v.optional(lifetime, {}),
  software: v.optional(choiceOfSoftware('Text of SOFTWARE in replies; `false` leaves it out.'), 'culvert'),
  strictChannels: v.optional(flag('Refuse channels above 0x4FFF (RFC 8656), which older clients use.'), false),
  nonceLifetime: v.optional(
    notation('How long a nonce is good (RFC 8656 section 5: at most an hour).', 'duration', parseDuration),
    '1h',
  ),
  drain: v.optional(
    notation(
      'How long SIGTERM waits for the last allocation. Those over UDP that are left go on after a restart.',
      'duration',
      parseDuration,
    ),
    '0s',
  ),
  maxPermissions: v.optional(whole('Permissions of one allocation.', 1, 65_536), 256),
  maxChannels: v.optional(whole('Channels of one allocation.', 1, 16_384), 256),
});

export type TurnSettings = v.InferOutput<typeof turnSection>;
