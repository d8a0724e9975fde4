/** The four messages of WireGuard (whitepaper §5.4). Integers are little-endian; byte fields are views of the packet. */
export type WireguardMessage = Initiation | Response | CookieReply | Data;

export interface Initiation {
  readonly type: 'initiation';
  readonly sender: number;
  readonly ephemeral: Uint8Array;
  /** The initiator's static public key, for the responder's eyes only. */
  readonly encryptedStatic: Uint8Array;
  readonly encryptedTimestamp: Uint8Array;
  readonly mac1: Uint8Array;
  readonly mac2: Uint8Array;
}

export interface Response {
  readonly type: 'response';
  readonly sender: number;
  readonly receiver: number;
  readonly ephemeral: Uint8Array;
  readonly encryptedNothing: Uint8Array;
  readonly mac1: Uint8Array;
  readonly mac2: Uint8Array;
}

export interface CookieReply {
  readonly type: 'cookie';
  readonly receiver: number;
  readonly nonce: Uint8Array;
  readonly encryptedCookie: Uint8Array;
}

export interface Data {
  readonly type: 'data';
  readonly receiver: number;
  readonly counter: bigint;
  /** Never shorter than its tag; exactly the tag = keepalive. */
  readonly ciphertext: Uint8Array;
}

/** Why a datagram is no WireGuard message. */
export type WireguardFault = 'not-wireguard' | 'malformed-length';

export const INITIATION_BYTES = 148;
export const RESPONSE_BYTES = 92;
const COOKIE_REPLY_BYTES = 64;
const DATA_BYTES_MIN = 32;
const INDEX_MAX = 0xffffffff;

/**
 *  type │ size │ what follows the type and three zero bytes
 *  ─────┼──────┼─────────────────────────────────────────────────────────────────────────────────────────────
 *    1  │  148 │ sender 4 · ephemeral 32 · encrypted static 48 · encrypted timestamp 28 · mac1 16 · mac2 16
 *    2  │   92 │ sender 4 · receiver 4 · ephemeral 32 · encrypted nothing 16 · mac1 16 · mac2 16
 *    3  │   64 │ receiver 4 · nonce 24 · encrypted cookie 32
 *    4  │ ≥ 32 │ receiver 4 · counter 8 · ciphertext with its tag of 16
 */
export function decodeWireguard(packet: Uint8Array): WireguardMessage | WireguardFault {
  if (packet.length < 4 || packet[1] !== 0 || packet[2] !== 0 || packet[3] !== 0) return 'not-wireguard';
  switch (packet[0]) {
    case 1:
      return packet.length === INITIATION_BYTES ? decodeInitiation(packet) : 'malformed-length';
    case 2:
      return packet.length === RESPONSE_BYTES ? decodeResponse(packet) : 'malformed-length';
    case 3:
      return packet.length === COOKIE_REPLY_BYTES ? decodeCookieReply(packet) : 'malformed-length';
    case 4:
      return packet.length >= DATA_BYTES_MIN ? decodeData(packet) : 'malformed-length';
    default:
      return 'not-wireguard';
  }
}

/** Throws WireguardEncodeError for what no message can hold. */
export function encodeWireguard(message: WireguardMessage): Uint8Array {
  switch (message.type) {
    case 'initiation': {
      const { sender, ephemeral, encryptedStatic, encryptedTimestamp, mac1, mac2 } = message;
      const packet = begin(1, INITIATION_BYTES, sender);
      put(packet, 8, ephemeral, 32);
      put(packet, 40, encryptedStatic, 48);
      put(packet, 88, encryptedTimestamp, 28);
      put(packet, 116, mac1, 16);
      put(packet, 132, mac2, 16);
      return packet;
    }
    case 'response': {
      const { sender, receiver, ephemeral, encryptedNothing, mac1, mac2 } = message;
      const packet = begin(2, RESPONSE_BYTES, sender);
      putIndex(packet, 8, receiver);
      put(packet, 12, ephemeral, 32);
      put(packet, 44, encryptedNothing, 16);
      put(packet, 60, mac1, 16);
      put(packet, 76, mac2, 16);
      return packet;
    }
    case 'cookie': {
      const { receiver, nonce, encryptedCookie } = message;
      const packet = begin(3, COOKIE_REPLY_BYTES, receiver);
      put(packet, 8, nonce, 24);
      put(packet, 32, encryptedCookie, 32);
      return packet;
    }
    case 'data': {
      const { receiver, counter, ciphertext } = message;
      if (ciphertext.length < 16) throw new WireguardEncodeError('a ciphertext has a tag of 16 bytes');
      if (counter < 0n || counter > 0xffffffffffffffffn) throw new WireguardEncodeError(`no counter: ${counter}`);
      const packet = begin(4, 16 + ciphertext.length, receiver);
      viewOf(packet).setBigUint64(8, counter, true);
      packet.set(ciphertext, 16);
      return packet;
    }
  }
}

/** Thrown for values that no message can hold: a mistake of the caller. */
export class WireguardEncodeError extends Error {
  override readonly name = 'WireguardEncodeError';
  readonly code = 'ERR_WIREGUARD_ENCODE';
}

function decodeInitiation(packet: Uint8Array): Initiation {
  return {
    type: 'initiation',
    sender: viewOf(packet).getUint32(4, true),
    ephemeral: packet.subarray(8, 40),
    encryptedStatic: packet.subarray(40, 88),
    encryptedTimestamp: packet.subarray(88, 116),
    mac1: packet.subarray(116, 132),
    mac2: packet.subarray(132, 148),
  };
}

function decodeResponse(packet: Uint8Array): Response {
  const view = viewOf(packet);
  return {
    type: 'response',
    sender: view.getUint32(4, true),
    receiver: view.getUint32(8, true),
    ephemeral: packet.subarray(12, 44),
    encryptedNothing: packet.subarray(44, 60),
    mac1: packet.subarray(60, 76),
    mac2: packet.subarray(76, 92),
  };
}

function decodeCookieReply(packet: Uint8Array): CookieReply {
  return {
    type: 'cookie',
    receiver: viewOf(packet).getUint32(4, true),
    nonce: packet.subarray(8, 32),
    encryptedCookie: packet.subarray(32, 64),
  };
}

function decodeData(packet: Uint8Array): Data {
  const view = viewOf(packet);
  return {
    type: 'data',
    receiver: view.getUint32(4, true),
    counter: view.getBigUint64(8, true),
    ciphertext: packet.subarray(16),
  };
}

function begin(type: number, length: number, index: number): Uint8Array {
  const packet = new Uint8Array(length);
  packet[0] = type;
  putIndex(packet, 4, index);
  return packet;
}

function putIndex(packet: Uint8Array, at: number, index: number): void {
  if (!Number.isInteger(index) || index < 0 || index > INDEX_MAX) throw new WireguardEncodeError(`no index: ${index}`);
  viewOf(packet).setUint32(at, index, true);
}

function put(packet: Uint8Array, at: number, field: Uint8Array, length: number): void {
  if (field.length !== length) throw new WireguardEncodeError(`a field of ${length} bytes has ${field.length}`);
  packet.set(field, at);
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
