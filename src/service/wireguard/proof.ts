import type { RandomBytes } from '../../net/random.ts';
import type { Millis } from '../../net/time.ts';
import { cookieKey, hasMac1, mac1Key } from '../../wire/wireguard/mac.ts';
import type { Answer } from '../../wire/wireguard/noise.ts';
import { type KeyPair, keyPairOf } from '../../wire/wireguard/x25519.ts';
import type { Deadline } from '../deadlines.ts';
import type { BudgetOptions } from '../limiter.ts';
import type { ProofConfig } from './config.ts';
import type { RegisteredKey } from './registry.ts';
import { ReplayWindow } from './replay-window.ts';
import { WorkBudget } from './work-budget.ts';

/**
 * The relay as a peer of its own clients: each has it as one more [Peer]. Its handshake says whose endpoint that is, and the first packet of
 * the session that it is not forged. Nothing else goes through the session.
 *
 * A handshake costs five agreements on a key, 0.4 ms, so those are budgeted. Half of them are for sources that show nothing; when their
 * share is used up they are sent a cookie (whitepaper §5.3), and the other half is for those that come back with it: whoever forges a
 * source cannot take that from it.
 */
export class Proof {
  /** Nobody is relayed without. */
  required: boolean;
  readonly own: KeyPair;
  readonly cookieKey: Uint8Array;
  /** By our index, which the client puts into its packets. */
  readonly sessions = new Map<number, ProofSession>();
  /** What it takes to tell that an initiation is for us, and to send a cookie. */
  readonly hashes: WorkBudget;
  readonly unshown: WorkBudget;
  readonly shown: WorkBudget;
  /** So many were computed. */
  agreements = 0;
  readonly #mac1Key: Uint8Array;

  constructor(
    { privateKey, required, agreementsPerSecond }: ProofConfig,
    hashesPerSecond: number,
    random: RandomBytes,
  ) {
    this.required = required;
    this.own = keyPairOf(privateKey);
    this.cookieKey = cookieKey(this.own.publicKey);
    this.#mac1Key = mac1Key(this.own.publicKey);
    this.hashes = new WorkBudget(HASHES, hashesPerSecond, random);
    this.unshown = new WorkBudget(AGREEMENTS, agreementsPerSecond / 2, random);
    this.shown = new WorkBudget(AGREEMENTS, agreementsPerSecond / 2, random);
  }

  isFor(packet: Uint8Array): boolean {
    return hasMac1(packet, this.#mac1Key);
  }

  /** A session more; of the fourth of a key the first gives way. */
  add(session: ProofSession): ProofSession | undefined {
    const { key } = session;
    this.sessions.set(session.index, session);
    key.sessions.push(session);
    return key.sessions.length > SESSIONS_OF_A_KEY ? key.sessions[0] : undefined;
  }

  remove({ index, key }: ProofSession): void {
    this.sessions.delete(index);
    key.sessions = key.sessions.filter((session) => session.index !== index);
  }
}

/** A session with a client, good for nothing but to hear that it is there. */
export class ProofSession implements Deadline {
  at: Millis = 0;
  position = -1;
  readonly key: RegisteredKey;
  readonly index: number;
  /** The client's index. */
  readonly theirs: number;
  readonly receive: Uint8Array;
  readonly send: Uint8Array;
  /** Of our response, which a cookie reply would name. */
  readonly mac1: Uint8Array;
  readonly window = new ReplayWindow();
  /** Of our next packet. */
  counter = 0n;
  /** When we may speak again. */
  silentUntil: Millis = 0;

  constructor(key: RegisteredKey, index: number, theirs: number, { receive, send }: Answer, mac1: Uint8Array) {
    this.key = key;
    this.index = index;
    this.theirs = theirs;
    this.receive = receive;
    this.send = send;
    this.mac1 = mac1;
  }
}

/** A peer holds three at a time: the one before, the current, the next. */
const SESSIONS_OF_A_KEY = 3;
const HASHES: BudgetOptions = { perAddress: 2000, perPrefix: 4000, burstSeconds: 2, maxSources: 16_384 };
/** Five handshakes a second, and fifty at once: clients behind one address begin together after a restart. */
const AGREEMENTS: BudgetOptions = { perAddress: 25, perPrefix: 250, burstSeconds: 10, maxSources: 16_384 };
