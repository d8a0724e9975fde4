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
  | 'too-many-clients'
  | 'too-many-routes'
  | 'restore-failed';
