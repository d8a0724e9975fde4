import type { Endpoint } from '../net/endpoint.ts';
import { FLAG_CHALLENGE, FLAG_NONCE, NONCE_BYTES, nonceOf } from '../wire/pair/extension.ts';
import { decodeHandshake, encodeHandshake, type Guid, keyOfHandshake } from '../wire/pair/handshake.ts';
import type { DataHandler } from './client.ts';
import type { ProbeError } from './failure.ts';
import { connect, type Transport, type TransportEvents } from './transport.ts';

/**
 * One of the two clients of a pair. Its handshake asks for a nonce, which relays that know nothing of nonces take for an ordinary one
 * (docs/pair-anti-replay.md).
 */
export class PairEnd {
  readonly #transport: Transport;
  readonly #guid: Guid;
  readonly #key: Uint8Array;
  #nonce: Uint8Array = new Uint8Array(NONCE_BYTES);
  /** The other's handshake came: the pair is complete. */
  met = false;
  /** The relay gave us a nonce. */
  challenged = false;
  failure: ProbeError | undefined = undefined;
  onData: DataHandler = () => {};

  static async connect(remote: Endpoint, guid: Guid, key: Uint8Array, timeout: number): Promise<PairEnd> {
    const inbox: TransportEvents = { packet: () => {}, failed: () => {} };
    const options = { kind: 'udp', remote, servername: '', insecure: false, timeout } as const;
    const transport = await connect(options, {
      packet: (packet) => inbox.packet(packet),
      failed: (error) => inbox.failed(error),
    });
    const end = new PairEnd(transport, guid, key);
    inbox.packet = (packet) => end.#receive(packet);
    inbox.failed = (error) => {
      end.failure = error;
    };
    return end;
  }

  private constructor(transport: Transport, guid: Guid, key: Uint8Array) {
    this.#transport = transport;
    this.#guid = guid;
    this.#key = key;
  }

  get local(): Endpoint {
    return this.#transport.local;
  }

  /** To be repeated until both have met: no relay answers it, and packets get lost. */
  shakeHands(): void {
    this.#transport.send(encodeHandshake({ guid: this.#guid, flags: FLAG_NONCE }, this.#key, this.#nonce));
  }

  send(data: Uint8Array): void {
    this.#transport.send(data);
  }

  close(): void {
    this.#transport.close();
  }

  #receive(packet: Uint8Array): void {
    const decoded = decodeHandshake(packet);
    const isOurs = decoded.ok && decoded.handshake.guid === this.#guid;
    if (!isOurs || keyOfHandshake(packet, [this.#key]) === undefined) {
      this.onData(this.#transport.remote, packet, 'pair');
      return;
    }
    const { flags } = decoded.handshake;
    if ((flags & FLAG_CHALLENGE) === 0) {
      this.met = true;
      return;
    }
    const nonce = nonceOf(packet, flags);
    if (nonce === undefined || this.challenged) return;
    this.#nonce = nonce.slice();
    this.challenged = true;
    this.shakeHands();
  }
}
