import type { Endpoint } from '../../net/endpoint.ts';

/** RFC 8489 §5: the two class bits of the message type. */
export type MessageClass = 'request' | 'indication' | 'success' | 'error';

/** RFC 8489 §18.2 and RFC 8656 §17. */
export const METHOD_BINDING = 0x001;
export const METHOD_ALLOCATE = 0x003;
export const METHOD_REFRESH = 0x004;
export const METHOD_SEND = 0x006;
export const METHOD_DATA = 0x007;
export const METHOD_CREATE_PERMISSION = 0x008;
export const METHOD_CHANNEL_BIND = 0x009;

/** The header without the length: what is needed to answer a message whose attributes are broken. */
export interface StunHeader {
  readonly class: MessageClass;
  /** 0 to 0xFFF */
  readonly method: number;
  /** 12 bytes */
  readonly transactionId: Uint8Array;
}

/** A message as values. Decoding gives the first of each attribute (RFC 8489 §14); encoding writes those that are present. */
export interface StunMessage extends StunHeader {
  readonly attributes: StunAttributes;
}

export interface StunAttributes {
  mappedAddress?: Endpoint;
  xorMappedAddress?: Endpoint;
  alternateServer?: Endpoint;
  alternateDomain?: string;
  username?: string;
  userhash?: Uint8Array;
  realm?: string;
  nonce?: string;
  software?: string;
  errorCode?: ErrorCode;
  unknownAttributes?: readonly number[];
  passwordAlgorithms?: readonly PasswordAlgorithm[];
  passwordAlgorithm?: PasswordAlgorithm;
  channelNumber?: number;
  /** Seconds, 0 to 2^32 - 1. */
  lifetime?: number;
  /** All of them, in order: CreatePermission may carry several (RFC 8656 §10.1). */
  xorPeerAddresses?: readonly Endpoint[];
  xorRelayedAddress?: Endpoint;
  /** Dual allocations answer with two (RFC 8656 §7.3). */
  xorRelayedAddresses?: readonly Endpoint[];
  data?: Uint8Array;
  /** EVEN-PORT; `reserveNext` is its R bit. */
  evenPort?: { readonly reserveNext: boolean };
  /** IP protocol number: 17 UDP, 6 TCP. */
  requestedTransport?: number;
  dontFragment?: true;
  /** 8 bytes */
  reservationToken?: Uint8Array;
  /** The byte of the wire: 0x01 IPv4, 0x02 IPv6, anything else is for the service to refuse with 440. */
  requestedAddressFamily?: number;
  additionalAddressFamily?: number;
  addressErrorCode?: { readonly family: number; readonly code: number; readonly reason: string };
  icmp?: { readonly type: number; readonly code: number; readonly data: number };
}

export interface ErrorCode {
  /** 300 to 699 */
  readonly code: number;
  readonly reason: string;
}

/** RFC 8489 §14.11: algorithm 1 = MD5, 2 = SHA-256; parameters are empty for both. */
export interface PasswordAlgorithm {
  readonly algorithm: number;
  readonly parameters: Uint8Array;
}
