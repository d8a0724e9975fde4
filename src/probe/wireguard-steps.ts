import { randomBytes } from 'node:crypto';
import { endpointKey } from '../net/endpoint.ts';
import { mac1Key, sign } from '../wire/wireguard/mac.ts';
import { decodeWireguard, encodeWireguard, type WireguardMessage } from '../wire/wireguard/message.ts';
import { resolveHost } from './addresses.ts';
import { ProbeError } from './failure.ts';
import type { Session } from './session.ts';
import type { Steps } from './steps.ts';
import type { Transport } from './transport.ts';
import { connectUdp } from './transport-udp.ts';

/**
 * What `probe wireguard:` does: two ends begin handshakes with each other through the relay. The one that is reached answers, the other uses
 * the answer, and data goes both ways. The messages have the right shape and say nothing: a relay cannot read them anyway. A relay
 * with a list of peers passes nothing of it on.
 */
export async function probeWireguard(session: Session, steps: Steps): Promise<void> {
  const { target, options } = session;
  const server = await steps.run('resolve', () => resolveHost(target.host, target.port), endpointKey);
  session.server = server;
  const ends = [new End(), new End()] as const;
  try {
    for (const end of ends) {
      const events = { packet: end.take, failed: end.fail };
      end.transport = await steps.run(
        'connect',
        () => connectUdp(server, events),
        ({ local }) => `UDP from ${endpointKey(local)}`,
      );
    }
    session.local = ends[0].transport?.local;
    const link = await steps.run(
      'handshake',
      () => meet(ends, options.timeout),
      ({ tries }) => `after ${tries} ${tries === 1 ? 'try' : 'tries'}`,
    );
    await steps.run(
      'echo data',
      () => exchange(link, options.timeout),
      (bytes) => `${bytes} bytes each way, unchanged`,
    );
  } finally {
    for (const end of ends) end.transport?.close();
  }
}

/** Two ends that know each other's indices. */
interface Link {
  readonly initiator: End;
  readonly responder: End;
  /** What the initiator writes, and what the responder writes. */
  readonly toResponder: number;
  readonly toInitiator: number;
  readonly tries: number;
}

/** The first initiation that arrives is answered; until then both try again. */
async function meet(ends: readonly [End, End], timeout: number): Promise<Link> {
  const initiations = ends.map(() => initiation());
  const until = performance.now() + timeout;
  for (let tries = 1; performance.now() < until; tries++) {
    for (const [index, end] of ends.entries()) end.send(initiations[index] ?? initiation());
    const link = await Promise.race(
      [0, 1].map((place) => answered(ends, initiations, place, Math.min(RETRY, until - performance.now()))),
    );
    if (link !== undefined) return { ...link, tries };
  }
  throw new ProbeError('no-answer', `neither end heard of the other within ${timeout} ms`);
}

async function answered(
  ends: readonly [End, End],
  initiations: readonly WireguardMessage[],
  place: number,
  patience: number,
): Promise<Omit<Link, 'tries'> | undefined> {
  const responder = ends[place];
  const initiator = ends[1 - place];
  const sent = initiations[1 - place];
  if (responder === undefined || initiator === undefined || sent?.type !== 'initiation') return undefined;
  const arrived = await responder.wait(
    (message) => message.type === 'initiation' && message.sender === sent.sender,
    patience,
  );
  if (arrived === undefined) return undefined;
  const toResponder = index();
  const noise = {
    ephemeral: randomBytes(32),
    encryptedNothing: randomBytes(16),
    mac1: randomBytes(16),
    mac2: new Uint8Array(16),
  };
  responder.send({ type: 'response', sender: toResponder, receiver: sent.sender, ...noise });
  const response = await initiator.wait(
    (message) => message.type === 'response' && message.sender === toResponder,
    patience,
  );
  return response && { initiator, responder, toResponder, toInitiator: sent.sender };
}

async function exchange({ initiator, responder, toResponder, toInitiator }: Link, timeout: number): Promise<number> {
  let bytes = 0;
  for (const [counter, length] of SIZES.entries()) {
    await carry(initiator, responder, toResponder, counter, length, timeout);
    await carry(responder, initiator, toInitiator, counter, length, timeout);
    bytes += length;
  }
  return bytes;
}

async function carry(
  from: End,
  to: End,
  receiver: number,
  count: number,
  length: number,
  timeout: number,
): Promise<void> {
  const counter = BigInt(count);
  const ciphertext = new Uint8Array(randomBytes(length));
  from.send({ type: 'data', receiver, counter, ciphertext });
  const arrived = await to.wait((message) => message.type === 'data' && message.counter === counter, timeout);
  if (arrived?.type !== 'data') throw new ProbeError('no-data', `a packet of ${length} bytes did not arrive`);
  const isSame = arrived.receiver === receiver && Buffer.from(arrived.ciphertext).equals(ciphertext);
  if (!isSame) throw new ProbeError('corrupt', 'a packet arrived changed');
}

/** One of the two: what it is sent is kept until somebody waits for it. */
class End {
  transport: Transport | undefined;
  readonly #inbox: WireguardMessage[] = [];
  #failure: ProbeError | undefined;
  #wake: () => void = () => {};

  readonly take = (packet: Uint8Array): void => {
    const message = decodeWireguard(packet.slice());
    if (typeof message !== 'string') this.#inbox.push(message);
    this.#wake();
  };

  readonly fail = (error: ProbeError): void => {
    this.#failure = error;
    this.#wake();
  };

  send(message: WireguardMessage): void {
    const packet = encodeWireguard(message);
    this.transport?.send(message.type === 'initiation' ? sign(packet, STRANGER) : packet);
  }

  /** Undefined when it does not come in time. Rejects when the socket has failed. */
  async wait(fits: (message: WireguardMessage) => boolean, patience: number): Promise<WireguardMessage | undefined> {
    const until = performance.now() + patience;
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      const found = this.#inbox.find(fits);
      const left = until - performance.now();
      if (found !== undefined || left <= 0) return found;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        const before = this.#wake;
        this.#wake = () => {
          clearTimeout(timer);
          before();
          resolve();
        };
      });
      this.#wake = () => {};
    }
  }
}

function initiation(): WireguardMessage {
  const encrypted = { encryptedStatic: randomBytes(48), encryptedTimestamp: randomBytes(28) };
  const none = { mac1: new Uint8Array(16), mac2: new Uint8Array(16) };
  return { type: 'initiation', sender: index(), ephemeral: randomBytes(32), ...encrypted, ...none };
}

function index(): number {
  return randomBytes(4).readUInt32LE();
}

/** For a key that nobody has. */
const STRANGER: Uint8Array = mac1Key(new Uint8Array(randomBytes(32)));
/** Milliseconds between two tries. */
const RETRY = 500;
/** A keepalive is all tag; the largest fits a path of 1280 bytes. */
const SIZES = [16, 1200];
