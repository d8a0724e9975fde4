import type { Family } from '../../net/address.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import { sameEndpoint } from '../../net/endpoint.ts';
import type { FlowId, SocketId } from '../../net/ids.ts';
import type { Millis } from '../../net/time.ts';
import type { Deadline } from '../deadlines.ts';
import type { Rated, Rates } from '../rates.ts';
import { Usage } from '../usage.ts';
import type { Link } from './chain.ts';
import type { Client } from './client.ts';
import type { Opening } from './opening.ts';

/**
 * What one client holds (RFC 8656 §6). There may be a hundred thousand of these: no closures, no maps, no arrays, and one
 * deadline for everything that can run out.
 */
export class Allocation implements Deadline, Rated {
  /** The earliest expiry of all that is in here. */
  at: Millis = 0;
  position = -1;
  readonly client: Client;
  readonly user: string;
  readonly firstSeen: Millis;
  /** From the first request or payload on that no flow took. */
  usage: Usage | undefined = undefined;
  /** Requests on this allocation with an older nonce were captured before it existed. */
  readonly nonceIssuedAt: Millis;
  /** Of the Allocate that made it, as 12 Latin-1 characters: its retransmission gets the same answer. */
  readonly transactionId: string;
  /** While its ports are being bound: no other request is answered yet. */
  opening: Opening | undefined = undefined;
  ipv4: Relay | undefined = undefined;
  ipv6: Relay | undefined = undefined;
  /** The first of a chain each (see chain.ts). */
  permissions: Permission | undefined = undefined;
  channels: Channel | undefined = undefined;
  /** Only with a bandwidth quota. */
  rates: Rates | undefined = undefined;
  /** For the answer to a retransmission: what else the first answer said. */
  reservationToken: Uint8Array | undefined = undefined;
  missingFamily: MissingFamily | undefined = undefined;

  constructor(client: Client, user: string, nonceIssuedAt: Millis, transactionId: string, now: Millis) {
    this.firstSeen = now;
    this.client = client;
    this.user = user;
    this.nonceIssuedAt = nonceIssuedAt;
    this.transactionId = transactionId;
  }

  /** Its own record; most allocations get one, for what is sent before a channel is bound. */
  use(): Usage {
    return (this.usage ??= new Usage());
  }

  relay(family: Family): Relay | undefined {
    return family === 4 ? this.ipv4 : this.ipv6;
  }

  /** RFC 8656 §9: only addresses are compared, ports are not. */
  permission(address: string): Permission | undefined {
    let permission = this.permissions;
    while (permission !== undefined && permission.address !== address) permission = permission.next;
    return permission;
  }

  channelByNumber(number: number): Channel | undefined {
    let channel = this.channels;
    while (channel !== undefined && channel.number !== number) channel = channel.next;
    return channel;
  }

  channelByPeer(peer: Endpoint): Channel | undefined {
    let channel = this.channels;
    while (channel !== undefined && !sameEndpoint(channel.peer, peer)) channel = channel.next;
    return channel;
  }
}

/** A relayed transport address: one bound port. Also what a reservation holds. */
export class Relay {
  readonly socket: SocketId;
  /** What is bound. */
  readonly local: Endpoint;
  /** What clients and peers are told; differs from `local` behind a static NAT. The same object where it does not. */
  readonly advertised: Endpoint;
  /** RFC 8656 §6: each relayed transport address has its own time-to-expiry. */
  expiresAt: Millis = 0;
  /** The engine has bound it. */
  open = false;
  /** Undefined: nobody wants it any more, and it is closed as soon as it is open. */
  holder: Allocation | Reservation | undefined;

  constructor(socket: SocketId, local: Endpoint, advertisedAddress: string, holder: Relay['holder']) {
    this.socket = socket;
    this.local = local;
    this.advertised = advertisedAddress === local.address ? local : { ...local, address: advertisedAddress };
    this.holder = holder;
  }

  get family(): Family {
    return this.local.family;
  }

  /** Whether an endpoint means this port, in the form that is advertised or in the form that is bound. */
  is(endpoint: Endpoint): boolean {
    return (
      endpoint.port === this.local.port &&
      (endpoint.address === this.advertised.address || endpoint.address === this.local.address)
    );
  }
}

/** The port that EVEN-PORT with its R bit keeps for a later Allocate (RFC 8656 §7.2). */
export class Reservation implements Deadline {
  at: Millis = 0;
  position = -1;
  /** 8 Latin-1 characters. */
  readonly token: string;
  readonly user: string;
  readonly relay: Relay;

  constructor(token: string, user: string, relay: Relay) {
    this.token = token;
    this.user = user;
    this.relay = relay;
  }
}

export class Permission implements Link<Permission> {
  readonly address: string;
  expiresAt: Millis;
  next: Permission | undefined = undefined;

  constructor(address: string, expiresAt: Millis) {
    this.address = address;
    this.expiresAt = expiresAt;
  }

  get family(): Family {
    return this.address.includes(':') ? 6 : 4;
  }
}

export class Channel implements Link<Channel> {
  readonly number: number;
  readonly peer: Endpoint;
  expiresAt: Millis;
  /** The flows in the engine that carry it, if any. A direct one (see `partner`) has only `toPeer`. */
  toPeer: FlowId | undefined = undefined;
  toClient: FlowId | undefined = undefined;
  /** The other client's channel, where the peer is a client of this relay and flows join the two without a detour. */
  partner: { readonly allocation: Allocation; readonly channel: Channel } | undefined = undefined;
  next: Channel | undefined = undefined;

  constructor(number: number, peer: Endpoint, expiresAt: Millis) {
    this.number = number;
    this.peer = peer;
    this.expiresAt = expiresAt;
  }
}

/** ADDRESS-ERROR-CODE of a dual allocation that got only one family (RFC 8656 §7.2 step 9). */
export interface MissingFamily {
  readonly family: Family;
  readonly code: 440 | 508;
}
