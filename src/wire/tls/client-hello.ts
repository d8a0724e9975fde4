/**
 * The first message of a TLS connection, as far as one must read it to know whom the client wants. Nothing is decrypted: the name is sent in
 * clear (RFC 6066 §3); with an encrypted ClientHello (extension 0xfe0d) it is that of the outer one, which is there to be routed by.
 */
export type ClientHello =
  | { readonly ok: true /** In lower case, without a dot at the end. */; readonly serverName: string | undefined }
  | { readonly ok: false; readonly reason: 'incomplete' | ClientHelloFault };

export type ClientHelloFault = 'not-tls' | 'malformed-client-hello' | 'oversized-client-hello';

/**
 * Reads a ClientHello from what a client sent so far; bytes behind it are nobody's business here.
 *
 * ```
 * record   type 22 | version 3.x | length (2) | a piece of the handshake, which may be in several records (RFC 8446 §5.1)
 * message  type 1 | length (3) | version (2) | random (32) | session id <1> | cipher suites <2> | compression <1> | extensions <2>
 * ```
 */
export function decodeClientHello(bytes: Uint8Array): ClientHello {
  const message = new Uint8Array(Math.min(bytes.length, MAX_MESSAGE + MESSAGE_HEADER));
  let filled = 0;
  let wanted = MESSAGE_HEADER;
  let records = 0;
  for (let at = 0; filled < wanted; ) {
    if (records++ >= MAX_RECORDS) return fault('oversized-client-hello');
    const record = readRecord(bytes, at);
    if (typeof record === 'string') return fault(record);
    const piece = bytes.subarray(record.start, Math.min(record.end, record.start + message.length - filled));
    message.set(piece, filled);
    filled += piece.length;
    if (filled > 0 && message[0] !== CLIENT_HELLO) return fault('not-tls');
    if (filled >= MESSAGE_HEADER) {
      wanted = MESSAGE_HEADER + uint24(message, 1);
      if (wanted > MESSAGE_HEADER + MAX_MESSAGE) return fault('oversized-client-hello');
    }
    if (filled >= wanted) break;
    if (record.end > bytes.length) return fault(bytes.length < MAX_BYTES ? 'incomplete' : 'oversized-client-hello');
    at = record.end;
  }
  return readMessage(message.subarray(MESSAGE_HEADER, wanted));
}

/** Where the payload of the record at `at` is; `end` may be beyond what is there. */
function readRecord(bytes: Uint8Array, at: number): { start: number; end: number } | 'incomplete' | ClientHelloFault {
  const [type, major] = [bytes[at], bytes[at + 1]];
  if ((type !== undefined && type !== HANDSHAKE) || (major !== undefined && major !== 3)) return 'not-tls';
  const start = at + RECORD_HEADER;
  if (bytes.length < start) return bytes.length < MAX_BYTES ? 'incomplete' : 'oversized-client-hello';
  const length = uint16(bytes, at + 3);
  // RFC 8446 §5.1: no empty fragments, none above 2^14.
  return length === 0 || length > MAX_RECORD ? 'malformed-client-hello' : { start, end: start + length };
}

function readMessage(body: Uint8Array): ClientHello {
  const reader = new Reader(body);
  reader.skip(VERSION_AND_RANDOM);
  const session = reader.vector(1);
  const suites = reader.vector(2);
  const compressions = reader.vector(1);
  if (session === undefined || session.length > 32) return MALFORMED;
  if (suites === undefined || suites.length < 2 || suites.length % 2 !== 0) return MALFORMED;
  if (compressions === undefined || compressions.length === 0) return MALFORMED;
  // RFC 8446 §4.1.2: before TLS 1.3 a client could have none at all.
  if (reader.atEnd) return { ok: true, serverName: undefined };
  const extensions = reader.vector(2);
  return extensions === undefined || !reader.atEnd ? MALFORMED : readExtensions(extensions);
}

/** Those that nobody knows, GREASE among them (RFC 8701), are walked over. */
function readExtensions(extensions: Uint8Array): ClientHello {
  const reader = new Reader(extensions);
  let list: Uint8Array | undefined;
  while (!reader.atEnd) {
    const type = reader.uint16();
    const data = reader.vector(2);
    if (type === undefined || data === undefined) return MALFORMED;
    if (type !== SERVER_NAME) continue;
    // RFC 8446 §4.2: at most one of each type.
    if (list !== undefined) return MALFORMED;
    list = data;
  }
  return list === undefined ? { ok: true, serverName: undefined } : readServerNames(list);
}

/** RFC 6066 §3: a list with one name of each type, of which there is only one. */
function readServerNames(data: Uint8Array): ClientHello {
  const outer = new Reader(data);
  const list = outer.vector(2);
  if (list === undefined || list.length === 0 || !outer.atEnd) return MALFORMED;
  const reader = new Reader(list);
  let serverName: string | undefined;
  while (!reader.atEnd) {
    const type = reader.uint8();
    const name = reader.vector(2);
    if (type === undefined || name === undefined) return MALFORMED;
    if (type !== HOST_NAME) continue;
    if (serverName !== undefined) return MALFORMED;
    serverName = textOf(name);
    if (serverName === undefined) return MALFORMED;
  }
  return { ok: true, serverName };
}

/** A name goes into tables and logs, so it consists of what host names do. */
function textOf(name: Uint8Array): string | undefined {
  const text = String.fromCharCode(...name.subarray(0, MAX_NAME + 1)).toLowerCase();
  return text.length <= MAX_NAME && /^[a-z0-9_.:-]+$/.test(text) ? text.replace(/\.$/, '') || undefined : undefined;
}

/** Walks over bytes; undefined once they do not suffice, and ever after. */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  skip(count: number): void {
    this.#at += count;
  }

  uint8(): number | undefined {
    return this.#bytes[this.#at++];
  }

  uint16(): number | undefined {
    const [high, low] = [this.uint8(), this.uint8()];
    return high === undefined || low === undefined ? undefined : (high << 8) | low;
  }

  /** What is behind a length of one or two bytes. */
  vector(lengthBytes: 1 | 2): Uint8Array | undefined {
    const length = lengthBytes === 1 ? this.uint8() : this.uint16();
    if (length === undefined || this.#at + length > this.#bytes.length) {
      this.#at = Number.POSITIVE_INFINITY;
      return undefined;
    }
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

function uint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

function uint24(bytes: Uint8Array, at: number): number {
  return (uint16(bytes, at) << 8) | (bytes[at + 2] ?? 0);
}

function fault(reason: 'incomplete' | ClientHelloFault): ClientHello {
  return { ok: false, reason };
}

const MALFORMED: ClientHello = { ok: false, reason: 'malformed-client-hello' };
const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const HOST_NAME = 0;
const RECORD_HEADER = 5;
const MESSAGE_HEADER = 4;
const VERSION_AND_RANDOM = 34;
const MAX_RECORD = 16_384;
/** RFC 1035 §2.3.4, and a dot at the end. */
const MAX_NAME = 254;
/** With key shares against quantum computers a ClientHello has some 2 KB. */
const MAX_MESSAGE = 32 * 1024;
/** Of all records together, should somebody send it in crumbs. */
const MAX_BYTES = 64 * 1024;
/** Some clients cut it into a few, to get past firewalls. It is read anew with whatever comes: of thousands each byte would cost a millisecond. */
const MAX_RECORDS = 256;
