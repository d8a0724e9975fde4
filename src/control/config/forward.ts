import * as v from 'valibot';
import { choice, flag, itemOf, listOf, notation, section, text, whole } from './fields.ts';
import { parseForwardListener, parsePayload, parseUpstream } from './forward-units.ts';
import { parseCidr, parseDuration } from './units.ts';

const keepAlive = section('Probes of silent TCP connections, on both sides.', {
  idle: v.optional(notation('Silence before the first.', 'duration', parseDuration), '60s'),
  interval: v.optional(notation('Between them.', 'duration', parseDuration), '10s'),
  count: v.optional(whole('Unanswered ones that end the connection; 0 = no probes.', 0, 127), 6),
});

const health = section('Checks of every upstream: a TCP connect, or a UDP request with its reply.', {
  interval: v.optional(notation('Between two checks.', 'duration', parseDuration), '10s'),
  timeout: v.optional(notation('Longest wait for the answer.', 'duration', parseDuration), '3s'),
  rise: v.optional(
    whole('Good checks in a row that bring an upstream back; of one that was never seen up, the first.', 1, 100),
    2,
  ),
  fall: v.optional(whole('Failed checks in a row that take it out; before a good one, the first.', 1, 100), 3),
  send: v.optional(notation('UDP only: what is sent, text or `hex:…`.', 'text or hex', parsePayload)),
  expect: v.optional(
    notation('UDP only: what the reply begins with; any reply when left out.', 'text or hex', parsePayload),
  ),
});

const limits = section('What clients may use.', {
  connections: v.optional(whole('Connections and UDP sessions at a time.', 1, 1_000_000), 4096),
  perSource: v.optional(whole('Of one address; 0 = no limit.', 0, 1_000_000), 0),
  ratePerSource: v.optional(whole('New ones a second of one address; 0 = no limit.', 0, 1_000_000), 0),
});

/** A host name, with or without an asterisk for its first part. */
const SERVER_NAME = /^(?:\*\.)?(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/;

const cidrs = (description: string) => v.optional(listOf(description, itemOf(parseCidr), { form: 'CIDR' }), []);

const upstreams = (description: string) => listOf(description, itemOf(parseUpstream), { form: 'upstream URL' });

const serverNames = v.pipe(
  v.record(
    v.pipe(v.string(), v.toLowerCase(), v.regex(SERVER_NAME, 'is neither a host name, nor *. and one, nor default')),
    upstreams('Upstreams.'),
    'must map server names to upstreams',
  ),
  v.description(
    'In place of `to`, for TLS: upstreams by the server name that the client asks for. `*.example.com` stands for all below example.com, `default` for all others; ' +
      'without it they are refused. Nothing is decrypted.',
  ),
  v.metadata({ form: 'server name: upstream URLs' }),
);

const forward = section('One forward.', {
  name: v.pipe(
    text('Its name in logs and metrics; unique.'),
    v.regex(/^[\w.-]{1,64}$/, 'has 1 to 64 letters, digits, dots, dashes or underscores'),
  ),
  listen: listOf(
    'Where it listens: `tcp://`, `udp://` or `unix://`, address, port or range of ports.',
    itemOf(parseForwardListener),
    { form: 'listener URL' },
  ),
  to: v.optional(
    upstreams(
      'Upstreams: `tcp://`, `udp://` or `unix://`, host, port or range of as many ports. Names are resolved again at their TTL.',
    ),
  ),
  sni: v.optional(serverNames),
  balance: v.optional(
    choice('How upstreams are chosen.', ['roundRobin', 'leastConnections', 'sourceHash']),
    'roundRobin',
  ),
  connectTimeout: v.optional(notation('For one upstream; then the next is tried.', 'duration', parseDuration), '10s'),
  idle: v.optional(
    notation(
      'Silence that ends a UDP session (60s when left out) or a TCP connection (never when left out).',
      'duration',
      parseDuration,
    ),
  ),
  keepAlive: v.optional(keepAlive, {}),
  health: v.optional(health),
  proxyIn: cidrs('Senders that begin with a PROXY protocol header, version 1 or 2, which must then be there.'),
  proxyOut: v.optional(
    choice('PROXY protocol header to the upstream; over UDP version 2, in the first datagram of a session.', [
      'off',
      'v1',
      'v2',
    ]),
    'off',
  ),
  transparent: v.optional(
    flag(
      "The upstream sees the client's address as the source. On Linux, with the batched engine (`auto` takes it), CAP_NET_ADMIN or CAP_NET_RAW, and a route by which " +
        'replies come back: see docs/forward.md.',
    ),
    false,
  ),
  allow: cidrs('Clients that are served; all when empty.'),
  deny: cidrs('Clients that are not; wins over `allow`.'),
  limits: v.optional(limits, {}),
  drain: v.optional(
    notation('How long its connections may go on when the relay stops.', 'duration', parseDuration),
    '0s',
  ),
});

export const forwardList = v.pipe(
  v.array(
    v.pipe(
      forward,
      v.forward(
        v.partialCheck([['to'], ['sni']], ({ to, sni }) => to !== undefined || sni !== undefined, 'is missing'),
        ['to'],
      ),
    ),
    'must be a list of forwards, each with name, listen and to',
  ),
  v.description('Port forwards: what comes in at a port goes to an upstream, bytes unchanged.'),
  v.metadata({ form: 'forward' }),
);

export type ForwardSettings = v.InferOutput<typeof forward>;
