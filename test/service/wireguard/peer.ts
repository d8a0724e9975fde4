import type { Endpoint } from '../../../src/net/endpoint.ts';
import { openCookieReply } from '../../../src/wire/wireguard/cookie.ts';
import { cookieKey, hasMac1, mac1Key, sign } from '../../../src/wire/wireguard/mac.ts';
import { decodeWireguard, encodeWireguard, type Initiation } from '../../../src/wire/wireguard/message.ts';
import { seededRandom } from '../seeded.ts';
import { keyOf } from './harness.ts';

/**
 * A WireGuard interface as a relay sees it: real messages and MACs, make-believe secrecy. The encrypted static key is the key itself, and a
 * ciphertext is its plaintext with a tag that names both ends, so that whoever is meant, and nobody else, takes it.
 */
export class Peer {
  readonly name: string;
  readonly publicKey: Uint8Array;
  endpoint: Endpoint;
  /** Plaintexts that were meant for us, with who sent them. */
  readonly received: { readonly from: string; readonly text: string }[] = [];
  /** Data that was not ours: the index in it, and where it came. */
  readonly strange: { readonly receiver: number; readonly at: Endpoint }[] = [];
  readonly #send: (from: Endpoint, packet: Uint8Array) => void;
  readonly #random: (length: number) => Uint8Array;
  readonly #handshakes = new Map<number, Handshake>();
  readonly #sessions = new Map<number, Session>();
  readonly #cookies = new Map<string, Uint8Array>();
  readonly #lastMac1 = new Map<number, { with: string; mac1: Uint8Array }>();

  constructor(name: string, endpoint: Endpoint, send: (from: Endpoint, packet: Uint8Array) => void) {
    this.name = name;
    this.publicKey = keyOf(name);
    this.endpoint = endpoint;
    this.#send = send;
    this.#random = seededRandom(`peer ${name}`);
  }

  /** Begins a handshake with the owner of that name; the sender index. */
  initiate(to: string): number {
    const sender = this.#newIndex();
    const packet = this.#initiation(to, sender);
    this.#handshakes.set(sender, { with: to });
    this.#send(this.endpoint, packet);
    return sender;
  }

  /** False when there is no session. */
  say(to: string, text: string): boolean {
    const session = [...this.#sessions.values()].findLast((one) => one.with === to && one.mayUse);
    if (session === undefined) return false;
    const ciphertext = Buffer.from(`${text.padEnd(16)}|${this.name}|${to}`);
    this.#send(
      this.endpoint,
      encodeWireguard({ type: 'data', receiver: session.theirs, counter: session.counter++, ciphertext }),
    );
    return true;
  }

  hasSession(other: string): boolean {
    return [...this.#sessions.values()].some((session) => session.with === other && session.mayUse);
  }

  /** Our index of the newest session: what the other end puts into its data. */
  indexFor(other: string): number {
    const found = [...this.#sessions].findLast(([, session]) => session.with === other);
    if (found === undefined) throw new Error(`${this.name} has no session with ${other}`);
    return found[0];
  }

  take(packet: Uint8Array): void {
    const message = decodeWireguard(packet);
    if (typeof message === 'string') throw new Error(`${this.name} was sent what is no WireGuard: ${message}`);
    switch (message.type) {
      case 'initiation':
        if (hasMac1(packet, mac1Key(this.publicKey))) this.#respond(message);
        return;
      case 'response': {
        const handshake = this.#handshakes.get(message.receiver);
        if (handshake === undefined || !hasMac1(packet, mac1Key(this.publicKey))) return;
        if (!Buffer.from(message.ephemeral).equals(keyOf(handshake.with))) return;
        this.#handshakes.delete(message.receiver);
        const session = { with: handshake.with, theirs: message.sender, counter: 0n, mayUse: true };
        this.#sessions.set(message.receiver, session);
        this.say(handshake.with, '');
        return;
      }
      case 'cookie': {
        const sent = this.#lastMac1.get(message.receiver);
        if (sent === undefined) return;
        const cookie = openCookieReply(message, cookieKey(keyOf(sent.with)), sent.mac1);
        if (cookie !== undefined) this.#cookies.set(sent.with, cookie);
        return;
      }
      case 'data': {
        const session = this.#sessions.get(message.receiver);
        const [text = '', from, to] = Buffer.from(message.ciphertext).toString().split('|');
        if (session === undefined || session.with !== from || to !== this.name) {
          this.strange.push({ receiver: message.receiver, at: this.endpoint });
          return;
        }
        session.mayUse = true;
        if (text.trim() !== '') this.received.push({ from, text: text.trim() });
      }
    }
  }

  #initiation(to: string, sender: number): Uint8Array {
    const encryptedStatic = new Uint8Array(48);
    encryptedStatic.set(Buffer.from(this.name.padEnd(48)));
    const packet = encodeWireguard({
      type: 'initiation',
      sender,
      ephemeral: this.#random(32),
      encryptedStatic,
      encryptedTimestamp: new Uint8Array(28),
      mac1: new Uint8Array(16),
      mac2: new Uint8Array(16),
    });
    sign(packet, mac1Key(keyOf(to)), this.#cookies.get(to));
    this.#lastMac1.set(sender, { with: to, mac1: packet.slice(116, 132) });
    return packet;
  }

  #respond({ sender: theirs, encryptedStatic }: Initiation): void {
    const initiator = Buffer.from(encryptedStatic).toString().trim();
    const sender = this.#newIndex();
    this.#sessions.set(sender, { with: initiator, theirs, counter: 0n, mayUse: false });
    const packet = encodeWireguard({
      type: 'response',
      sender,
      receiver: theirs,
      ephemeral: this.publicKey,
      encryptedNothing: new Uint8Array(16),
      mac1: new Uint8Array(16),
      mac2: new Uint8Array(16),
    });
    this.#send(this.endpoint, sign(packet, mac1Key(keyOf(initiator))));
  }

  #newIndex(): number {
    return Buffer.from(this.#random(4)).readUInt32LE();
  }
}

interface Handshake {
  readonly with: string;
}

interface Session {
  readonly with: string;
  readonly theirs: number;
  counter: bigint;
  /** The responder may not speak before the initiator has. */
  mayUse: boolean;
}
