import * as v from 'valibot';
import { choice, flag, itemOf, listOf, notation, section, text, whole } from './fields.ts';
import { forwardList } from './forward.ts';
import { pairSection } from './pair.ts';
import { turnSection } from './turn.ts';
import { parseCidr, parseDuration, parseHttpListener, parseIpv4, parseIpv6 } from './units.ts';
import { wireguardSection } from './wireguard.ts';

/** The whole configuration: types, JSON Schema, reference page, environment names and faults all come from here. */
export const configSchema = section('Configuration of Culvert.', {
  engine: v.optional(
    choice('What moves the packets. `auto` takes the best one that works here; xdp only where drivers run it.', [
      'auto',
      'portable',
      'batched',
      'xdp',
    ]),
    'auto',
  ),
  interfaces: v.optional(
    listOf('Network interfaces of the xdp engine; `auto` = those that carry the listeners.', itemOf(anyText), {
      form: 'interface name',
    }),
    'auto',
  ),
  batched: v.optional(
    section('The batched engine: worker threads that move many datagrams by one system call. Linux.', {
      workers: v.optional(
        whole(
          'Worker threads at most; 0 = as many as there are processors for this process. A second one starts with the first relayed port.',
          0,
          256,
        ),
        0,
      ),
      gso: v.optional(
        flag('Whether datagrams of one flow leave as a train, which the kernel cuts (UDP_SEGMENT).'),
        true,
      ),
      gro: v.optional(flag('Whether the kernel may hand over as one what came in a row (UDP_GRO).'), true),
      uring: v.optional(flag('Whether what leaves by many sockets may go to the kernel by one call (io_uring).'), true),
    }),
    {},
  ),
  public: v.optional(
    section("Addresses under which others reach this machine. Default: the machine's own.", {
      ipv4: v.optional(notation('Public IPv4 address.', 'IPv4 address', parseIpv4)),
      ipv6: v.optional(notation('Public IPv6 address.', 'IPv6 address', parseIpv6)),
    }),
    {},
  ),
  state: v.optional(text('Folder for generated credentials and other state.', { form: 'folder' }), './state'),
  turn: v.optional(turnSection),
  wireguard: v.optional(wireguardSection),
  pair: v.optional(pairSection),
  forward: v.optional(forwardList),
  admin: v.optional(
    section('HTTP listener with `/healthz`, `/readyz` and `/metrics`.', {
      listen: v.optional(
        notation('Address and port, or `off`. Beyond loopback a token is required.', 'HTTP URL', parseHttpListener),
        'http://127.0.0.1:8666',
      ),
      token: v.optional(
        v.pipe(
          text('Bearer token for everything but `/healthz` and `/readyz`.', { form: 'text', secret: true }),
          v.minLength(16, 'must have at least 16 characters (openssl rand -hex 32 makes a good one)'),
        ),
      ),
    }),
    {},
  ),
  limits: v.optional(
    section('Budgets against floods.', {
      unauthenticated: v.optional(
        section(
          'Replies that need no credentials (Binding, 401, 438, 400, 420), each one token; each kilobyte of a handshake of pair that may be forged.',
          {
            perAddress: v.optional(whole('Tokens a second for one address; 0 = no limit.', 0, 1_000_000), 500),
            perPrefix: v.optional(whole('Tokens a second for one /24 or /64; 0 = no limit.', 0, 1_000_000), 2500),
            burstSeconds: v.optional(whole('Seconds of budget that may be saved up.', 1, 3600), 10),
            maxSources: v.optional(whole('Sources that are remembered.', 1, 10_000_000), 16_384),
          },
        ),
        {},
      ),
      unmatched: v.optional(
        section(
          'Packets to listeners that no flow takes: requests, and floods. With the xdp engine the kernel drops what is beyond, before it costs the process anything; not while flows are missing from the kernel.',
          {
            perPrefix: v.optional(whole('Packets a second for one /24 or /64; 0 = no limit.', 0, 10_000_000), 50_000),
            burstSeconds: v.optional(whole('Seconds of budget that may be saved up.', 1, 60), 1),
          },
        ),
        {},
      ),
      block: v.optional(
        listOf('Address blocks whose packets are dropped without an answer.', itemOf(parseCidr), { form: 'CIDR' }),
        [],
      ),
      strikes: v.optional(
        section(
          'Automatic blocks of addresses that go beyond a budget again and again. Sources can be forged: off by default.',
          {
            limit: v.optional(
              whole('So many refusals within the window block an address; 0 = never.', 0, 1_000_000),
              0,
            ),
            window: v.optional(notation('Time in which they count.', 'duration', parseDuration), '1m'),
            duration: v.optional(
              notation('How long an address is blocked, over a restart too.', 'duration', parseDuration),
              '10m',
            ),
          },
        ),
        {},
      ),
      connections: v.optional(
        whole(
          'Open TCP and TLS connections of one listener. One source (an IPv4 address or an IPv6 /64) gets at most a quarter.',
          1,
          1_000_000,
        ),
        10_000,
      ),
    }),
    {},
  ),
  log: v.optional(
    section('The log, on standard error.', {
      level: v.optional(
        choice('Least level that is written. Client addresses appear at `debug` only.', [
          'trace',
          'debug',
          'info',
          'warn',
          'error',
          'fatal',
        ]),
        'info',
      ),
      format: v.optional(choice('For people or for machines.', ['pretty', 'json']), 'pretty'),
    }),
    {},
  ),
});

export type Config = v.InferOutput<typeof configSchema>;

function anyText(given: string) {
  return { ok: true, value: given } as const;
}
