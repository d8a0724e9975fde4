import { type Endpoint, endpointKey } from '../../../src/net/endpoint.ts';
import type { SocketId, StreamId } from '../../../src/net/ids.ts';
import { HOUR, type Millis, SECOND } from '../../../src/net/time.ts';
import type { TurnConfig } from '../../../src/service/turn/config.ts';
import type { Chance } from './fuzz-chance.ts';
import { ADDRESS_6, ADVERTISED_4, BIND_4, LISTENERS, logins, mustEndpoint, PORTS } from './fuzz-config.ts';
import type { Sender } from './fuzz-sender.ts';

/** Those who come again: enough to fill every quota and port, few enough to run into their own state. */
export function regulars(sockets: readonly SocketId[], chance: Chance, count: number, now: Millis): Sender[] {
  return Array.from({ length: count }, (_, index) => {
    const family = index % 3 === 1 ? 6 : 4;
    const at = family === 6 ? sockets[1] : sockets[chance.oneIn(2) ? 0 : 2];
    const from = mustEndpoint(family === 6 ? `[2a02::${index + 1}]:4000` : `11.0.0.${index % 250}:${4000 + index}`);
    return newSender({ at: mustBe(at) }, from, true, chance, now);
  });
}

/** One of 2^32 addresses, seen once: who has no password must leave nothing behind. */
export function stranger(sockets: readonly SocketId[], chance: Chance, now: Millis): Sender {
  const address = [1 + chance.below(223), chance.below(256), chance.below(256), chance.below(256)].join('.');
  const port = chance.oneIn(50) ? chance.pick([0, 19, 53]) : 1024 + chance.below(60_000);
  const from: Endpoint = chance.oneIn(4)
    ? { family: 6, address: `2a0${chance.below(10)}:${(1 + chance.below(0xfffe)).toString(16)}::1`, port }
    : { family: 4, address, port };
  return newSender({ at: mustBe(sockets[from.family === 6 ? 1 : 0]) }, from, false, chance, now);
}

export function streamSender(stream: StreamId, chance: Chance, now: Millis): Sender {
  const from = mustEndpoint(`12.0.0.${chance.below(250)}:${1024 + chance.below(60_000)}`);
  return newSender({ stream }, from, !chance.oneIn(4), chance, now);
}

/** Good ones, forbidden ones, awkward ones, and relayed addresses of ours that may be somebody's now. */
export function pickPeer(chance: Chance): Endpoint {
  const kind = chance.below(10);
  if (kind < 5) return chance.pick(GOOD_PEERS);
  if (kind < 6) return chance.pick(BAD_PEERS);
  const port = PORTS.min + chance.below(PORTS.max - PORTS.min + 1);
  if (kind < 8) return { family: 4, address: chance.oneIn(2) ? ADVERTISED_4 : BIND_4, port };
  if (kind < 9) return { family: 6, address: ADDRESS_6, port };
  return { family: 4, address: `1.1.1.${chance.below(200)}`, port: chance.below(0x10000) };
}

/** Whether nothing may go there under this configuration. Says less than the filter, in another way. */
export function isForbidden({ address, port }: Endpoint, config: TurnConfig): boolean {
  const key = endpointKey({ family: address.includes(':') ? 6 : 4, address, port });
  if (LISTENERS.some((listener) => endpointKey(listener) === key)) return true;
  if (address === BIND_4 || address === ADVERTISED_4) {
    return config.relay.ipv4 === undefined || port < config.ports.min || port > config.ports.max;
  }
  const denied = config.peers.deny.some(({ address: bytes, bits }) => {
    return address.startsWith(`${bytes.slice(0, bits / 8).join('.')}.`);
  });
  return denied || FORBIDDEN.test(address);
}

export function freshLogin(chance: Chance, now: Millis): Sender['login'] {
  // By the hour, so that senders share names; one in a few runs out soon.
  const hour = Math.ceil(now / HOUR + 0.1) * (HOUR / SECOND);
  return chance.pick(logins(chance.oneIn(6) ? Math.floor(now / SECOND) + 60 : hour));
}

function newSender(reach: Sender['reach'], from: Endpoint, trusted: boolean, chance: Chance, now: Millis): Sender {
  return { reach, from, login: freshLogin(chance, now), trusted, nonce: undefined, lastAllocate: undefined };
}

function mustBe<T>(value: T | undefined): T {
  if (value === undefined) throw new RangeError('no such listener');
  return value;
}

/** Private, loopback, unspecified; IPv4-compatible (::/96, ::1 among it) and IPv4-mapped (::ffff:0:0/96). */
const FORBIDDEN: RegExp = /^(?:10|127|0)\.|^::(?:ffff:)?[0-9a-f]{0,4}(?::[0-9a-f]{1,4})?$/;
const GOOD_PEERS: readonly Endpoint[] = [
  '8.8.4.4:7000',
  '8.8.4.4:7001',
  '9.9.9.9:7000',
  '1.2.3.4:53',
  '[2606:4700::1]:7000',
  '[2606:4700::2]:7001',
].map(mustEndpoint);
const BAD_PEERS: readonly Endpoint[] = [
  '127.0.0.1:3478',
  '10.0.0.1:80',
  '8.8.8.8:53',
  '0.0.0.0:1',
  '9.9.9.9:0',
  '169.254.169.254:80',
  '[::ffff:127.0.0.1]:80',
  '[::1]:80',
  '[64:ff9b::7f00:1]:80',
  `${BIND_4}:3478`,
  `${ADVERTISED_4}:3478`,
  `[${ADDRESS_6}]:3478`,
].map(mustEndpoint);
