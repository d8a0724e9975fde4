import type { WireguardFault } from '../../wire/wireguard/message.ts';

/** Why a packet came to nothing. */
export type DropReason =
  | WireguardFault
  | 'unknown-socket'
  | 'blocked'
  | 'reflector-source'
  | 'own-address'
  /** Initiations of this source came too fast. */
  | 'over-budget'
  /** Every destination has had its share of initiations of others. */
  | 'destination-over-budget'
  | 'search-over-budget'
  /** mac1 is for no registered key. */
  | 'unregistered-peer'
  /** Answered with a cookie reply; not an error of the client. */
  | 'challenged'
  /** Nobody is there whom the initiation could be for. */
  | 'no-destination'
  | 'index-conflict'
  | 'unknown-receiver'
  /** Data on an index that was only offered, or by the side that must not speak first. */
  | 'unconfirmed'
  /** More answers to one initiation than an honest peer sends. */
  | 'repeated-answer'
  /** An initiation for this relay that was not made for its key, or not by the owner of the key that it names. */
  | 'failed-proof'
  /** A handshake or a packet for this relay that came before. */
  | 'replayed-proof'
  /** A client sent more than a keepalive to this relay itself; its place counts as proven all the same. */
  | 'proof-payload'
  /** Proofs are required, and this source has none. */
  | 'unproven'
  /** Nobody new is taken any more. */
  | 'draining'
  | 'too-many-clients'
  | 'too-many-routes'
  /** More than `quota.bytesPerSecond` from this client. */
  | 'rate-limited'
  | 'restore-failed';
