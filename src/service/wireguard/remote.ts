import type { Endpoint } from '../../net/endpoint.ts';
import type { FlowId, SocketId } from '../../net/ids.ts';
import type { Millis } from '../../net/time.ts';
import type { Deadline } from '../deadlines.ts';
import type { Rated, Rates } from '../rates.ts';
import { Usage } from '../usage.ts';
import type { ProvenEndpoint } from './proven.ts';
import type { RegisteredKey } from './registry.ts';
import type { Turns } from './turns.ts';

/**
 * A remote endpoint at one of our listeners. It begins as a stranger: it sent an initiation, which anybody can forge. It becomes a client
 * when a handshake that it took part in is confirmed, and only clients are sent what others did not answer to them.
 */
export class Remote implements Deadline, Rated {
  /** When it is forgotten, or looked at again. */
  at: Millis = 0;
  position = -1;
  readonly socket: SocketId;
  readonly endpoint: Endpoint;
  /** Set while it is a client. */
  client: ClientRecord | undefined = undefined;
  /** What it was sent. */
  readonly received = new Usage();
  /** Only with a bandwidth quota. */
  rates: Rates | undefined = undefined;
  /** It showed a cookie of ours: the address is not forged. */
  hasProvenAddress = false;
  /** Its owner has shown by a handshake with us which key is here. */
  proof: ProvenEndpoint | undefined = undefined;
  /** False once the table has let go of it. */
  isKnown = true;
  /** What it may send to whom, by receiver index. */
  readonly routes = new Map<number, Route>();
  /** Whose endpoint it seems to be, each once. One interface has one key; several when keys changed hands, or somebody lied. */
  keys: readonly RegisteredKey[] = NONE;
  /** Strangers that sent data with an index of ours: perhaps this client, come by another way. Undefined until there is one. */
  successors: Set<Remote> | undefined = undefined;
  /** Whom it asks next, once it has asked somebody. */
  turns: Turns | undefined = undefined;
  /** A client whose initiation nobody has answered yet looks for somebody until then. */
  seeksUntil: Millis = 0;

  constructor(socket: SocketId, endpoint: Endpoint) {
    this.socket = socket;
    this.endpoint = endpoint;
  }
}

/** What is told of a client. Packets and bytes are those that it sent. */
export interface ClientRecord {
  readonly firstSeen: Millis;
  lastSeen: Millis;
  packets: number;
  bytes: number;
}

/**
 * - offered: an initiation with this sender index was passed on to `from`, which may answer
 * - answered: the response has passed; nothing else flows until the initiator has used it
 * - live: the initiator used the index of the response, so both ends are there
 */
export type Stage = 'offered' | 'answered' | 'live';

/**
 * A decision: packets from `from` that carry `index` go to `to`. Index alone would collide (1 % at 10,000 live ones) and could be guessed
 * off path.
 */
export class Route implements Deadline {
  at: Millis = 0;
  position = -1;
  readonly from: Remote;
  readonly index: number;
  readonly to: Remote;
  /** Whether `from` began the handshake. */
  readonly ofInitiator: boolean;
  stage: Stage = 'offered';
  /** The other direction; there from the response on. */
  back: Route | undefined = undefined;
  flow: FlowId | undefined = undefined;
  /** Packets that may still pass before the route is live. */
  allowance = ALLOWANCE;
  /** Whose key `from` has, if this handshake comes true. */
  key: RegisteredKey | undefined = undefined;

  constructor(from: Remote, index: number, to: Remote, ofInitiator: boolean) {
    this.from = from;
    this.index = index;
    this.to = to;
    this.ofInitiator = ofInitiator;
  }
}

/** One for all: an empty set for each of a hundred thousand clients takes 16 MB. */
const NONE: readonly RegisteredKey[] = [];
/** One response and one cookie reply, and as many once more for the network's duplicates. */
const ALLOWANCE = 4;
