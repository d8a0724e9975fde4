import { type Endpoint, sameEndpoint } from '../../../src/net/endpoint.ts';
import { IdSource, type SocketId } from '../../../src/net/ids.ts';
import type { OpenFailure, OpenResult } from '../../../src/net/open-result.ts';
import { HOUR, MINUTE, type Millis } from '../../../src/net/time.ts';
import type { TurnConfig } from '../../../src/service/turn/config.ts';
import type { Snapshot } from '../../../src/service/turn/snapshot.ts';
import { TurnService } from '../../../src/service/turn/turn.ts';
import { type DecodedMessage, decodeMessage } from '../../../src/wire/stun/codec.ts';
import { Chance } from './fuzz-chance.ts';
import { BrokenInvariant, OrderChecker, require } from './fuzz-checker.ts';
import { BASE_CONFIG, changedConfig, LISTENERS } from './fuzz-config.ts';
import { mutateBytes } from './fuzz-message.ts';
import { freshLogin, isForbidden, pickPeer, regulars, stranger, streamSender } from './fuzz-population.ts';
import { type Kind, MessageMaker, type Sender } from './fuzz-sender.ts';

export interface FuzzOptions {
  readonly seed: number;
  /** A new configuration after about so many messages; 0 = never. */
  readonly reconfigureEvery: number;
  /** Snapshot, new process, restore, after about so many messages; 0 = never. */
  readonly restartEvery: number;
}

/**
 * One TURN service under everything that clients, peers, strangers, engines and operators can do to it, on virtual time. Every step is one
 * message; what it throws, and every BrokenInvariant, comes out of step(). The same options give the same run.
 */
export class FuzzRun {
  readonly #options: FuzzOptions;
  readonly #chance: Chance;
  readonly #maker: MessageMaker;
  readonly #ids = new IdSource();
  readonly #sockets: readonly SocketId[];
  readonly #regulars: Sender[];
  #streams: Sender[] = [];
  #service: TurnService;
  #checker: OrderChecker;
  #config: TurnConfig = BASE_CONFIG;
  #now: Millis = 1_800_000_000_000;
  /** Relayed ports that were open lately. */
  #recentPorts: readonly SocketId[] = [];
  /** Where packets lie while the service works on them. Overwritten afterwards, as an engine would. */
  readonly #buffer = new Uint8Array(0x20000);
  messages = 0;
  ordersTaken = 0;
  peakAllocations = 0;
  /** What the last step put in, for the report of a failure. */
  lastInput = '';

  constructor(options: FuzzOptions) {
    this.#options = options;
    this.#chance = new Chance(options.seed);
    this.#maker = new MessageMaker(this.#chance);
    this.#sockets = LISTENERS.map(() => this.#ids.socket());
    this.#regulars = regulars(this.#sockets, this.#chance, 150, this.#now);
    [this.#service, this.#checker] = this.#start();
  }

  get service(): TurnService {
    return this.#service;
  }

  get virtualHours(): number {
    return Math.round((this.#now - 1_800_000_000_000) / HOUR);
  }

  step(): void {
    const chance = this.#chance;
    this.#passTime();
    this.#operate();
    while (this.#checker.pending.size > 0 && !chance.oneIn(3)) this.#answerOpen();
    if (this.messages % 64 === 0) this.#recentPorts = [...this.#checker.ports.keys()];
    const kind = chance.below(100);
    if (kind < 8) this.#peerPacket();
    else if (kind < 28) this.#streamStep();
    else if (kind < 48) this.#datagram(stranger(this.#sockets, chance, this.#now));
    else this.#datagram(chance.pick(this.#regulars));
    this.messages++;
    if (this.messages % 500 === 0) this.checkAccounts();
  }

  /** Everybody leaves, time passes, and nothing is left. */
  finish(): void {
    while (this.#checker.pending.size > 0) this.#answerOpen();
    for (const stream of this.#checker.streams) {
      this.#checker.streams.delete(stream);
      this.#run(() => this.#service.handleStreamClosed(stream, this.#now));
    }
    while (this.#checker.pending.size > 0) this.#answerOpen();
    for (let next = this.#service.pollTimeout(); next !== undefined; next = this.#service.pollTimeout()) {
      require(next - this.#now <= 2 * HOUR, 'deadline beyond every lifetime');
      this.#now = next;
      this.#run(() => this.#service.handleTimeout(this.#now));
    }
    this.checkAccounts();
    const { allocations, clients, held } = this.#service.stats();
    require(allocations === 0 &&
      clients === 0 &&
      held.entries === 0, `left behind: ${JSON.stringify({ allocations, clients, held })}`);
    require(held.deadlines === 0 && held.openings === 0, 'deadlines left behind');
    require(this.#checker.heldPorts === 0 && this.#checker.flows.size === 0, 'ports or flows left behind');
  }

  /** What the service says it holds must be what the orders and the configuration account for. */
  checkAccounts(): void {
    const { allocations, held, clients } = this.#service.stats();
    const { streams, pending, ports, heldPorts } = this.#checker;
    this.peakAllocations = Math.max(this.peakAllocations, allocations);
    require(allocations <= BASE_CONFIG.quota.total, 'more allocations than the quota');
    require(clients <= allocations + streams.size, 'clients that hold nothing');
    // Every port is an entry, and with its relayed address and its user at most three.
    require(held.entries <= streams.size + LISTENERS.length + allocations + 3 * heldPorts, `entries: ${held.entries}`);
    require(held.deadlines <= allocations + streams.size + heldPorts, `deadlines: ${held.deadlines}`);
    let free = 0;
    for (const family of [this.#config.relay.ipv4 && 4, this.#config.relay.ipv6 && 6]) {
      if (family === undefined) continue;
      const { min, max } = this.#config.ports;
      const inRange = (local: Endpoint) => local.family === family && local.port >= min && local.port <= max;
      free += max - min + 1 - [...pending.values(), ...ports.values()].filter(inRange).length;
    }
    require(held.freePorts === free, `free ports: ${held.freePorts}, accounted for: ${free}`);
  }

  #start(): [TurnService, OrderChecker] {
    const service = new TurnService(this.#config, this.#ids, Chance.randomBytes(this.#chance.word()));
    const listeners = new Map(this.#sockets.map((socket, index) => [socket, LISTENERS[index] as Endpoint] as const));
    for (const [socket, local] of listeners) service.addListener(socket, local);
    return [service, new OrderChecker(listeners, (peer) => isForbidden(peer, this.#config))];
  }

  #passTime(): void {
    const chance = this.#chance;
    // A flood: so much in one millisecond that budgets run out.
    if ((this.messages >> 9) % 8 === 7) return;
    this.#now += chance.below(chance.oneIn(20) ? 2000 : 12);
    if (chance.oneIn(4000)) this.#now += chance.below(11 * MINUTE);
    const next = this.#service.pollTimeout();
    // Engines wake late: the doors of the service must not rely on handleTimeout.
    if (next === undefined || next > this.#now || chance.oneIn(3)) return;
    this.#run(() => this.#service.handleTimeout(this.#now));
  }

  #operate(): void {
    const { reconfigureEvery, restartEvery } = this.#options;
    const chance = this.#chance;
    if (reconfigureEvery > 0 && chance.oneIn(reconfigureEvery)) {
      this.#config = chance.oneIn(2) ? BASE_CONFIG : changedConfig(chance);
      this.#run(() => this.#service.updateConfig(this.#config, this.#now));
      this.checkAccounts();
    }
    if (restartEvery > 0 && chance.oneIn(restartEvery)) this.#restart();
    if (reconfigureEvery > 0 && chance.oneIn(reconfigureEvery * 2)) {
      const [socket, local] = chance.pick([...this.#checker.listeners]);
      this.#run(() => this.#service.removeListener(socket, this.#now));
      this.#service.addListener(socket, local);
    }
    const sender = chance.pick(this.#regulars);
    if (chance.oneIn(300)) sender.login = freshLogin(chance, this.#now);
  }

  #restart(): void {
    const snapshot = JSON.parse(JSON.stringify(this.#service.snapshot())) as Snapshot;
    [this.#service, this.#checker] = this.#start();
    this.#streams = [];
    this.#now += this.#chance.below(5 * MINUTE);
    this.#run(() => this.#service.restore(snapshot, this.#now));
    this.checkAccounts();
  }

  #answerOpen(): void {
    const chance = this.#chance;
    const index = chance.below(Math.min(4, this.#checker.pending.size));
    const socket = [...this.#checker.pending.keys()][index] as SocketId;
    const ok = !chance.oneIn(6);
    const local = this.#checker.opened(socket, ok);
    const failure = chance.oneIn(2) ? 'in-use' : chance.pick(FAILURES);
    const result: OpenResult = ok ? { ok, local } : { ok, failure, detail: 'fuzz' };
    this.#run(
      () => this.#service.handlePortOpened(socket, result, this.#now),
      (_, reply) => {
        require(isAllocateAnswer(reply), 'a bound port answers another request than Allocate');
        this.#maker.learn(checkReply(reply, 0));
      },
    );
  }

  #peerPacket(): void {
    const chance = this.#chance;
    const socket = this.#recentPorts.length === 0 ? this.#ids.socket() : chance.pick(this.#recentPorts);
    const family = (this.#checker.ports.get(socket) ?? LISTENERS[0])?.family;
    let peer = pickPeer(chance);
    while (peer.family !== family) peer = pickPeer(chance);
    this.#deliver(chance.bytes(anyLength(chance)), (packet) =>
      this.#service.handleDatagram(socket, peer, packet, this.#now),
    );
  }

  #datagram(sender: Sender): void {
    if (!('at' in sender.reach)) return;
    const { at } = sender.reach;
    const input = this.#message(sender, false);
    const before = this.#checker.heldPorts;
    const flows = this.#checker.flows.size;
    let replies = 0;
    this.#deliver(
      input,
      (packet) => this.#service.handleDatagram(at, sender.from, packet, this.#now),
      (to, reply) => {
        if (!isResponse(reply)) return;
        if (to !== undefined && sameEndpoint(to, sender.from) && sameTransaction(reply, input)) {
          replies++;
          require((reply[0] as number) % 2 === 1 && (input[0] as number) < 0x40, 'answer to what is no request');
          this.#maker.learn(checkReply(reply, input.length));
        } else {
          require(isAllocateAnswer(reply), 'answer to nobody who asked');
        }
      },
    );
    require(replies <= 1, 'more than one answer');
    if (sender.trusted) return;
    require(this.#checker.heldPorts <= before && this.#checker.flows.size <= flows, 'a stranger got something');
  }

  #streamStep(): void {
    const chance = this.#chance;
    if (this.#streams.length < 40 || chance.oneIn(200)) {
      const stream = this.#ids.stream();
      const sender = streamSender(stream, chance, this.#now);
      this.#streams.push(sender);
      this.#checker.streams.add(stream);
      const at = this.#sockets[0] as SocketId;
      this.#run(() => this.#service.handleStreamOpened(stream, at, sender.from, this.#now));
    }
    const index = chance.below(this.#streams.length);
    const sender = this.#streams[index] as Sender;
    if (!('stream' in sender.reach)) return;
    const { stream } = sender.reach;
    if (!this.#checker.streams.has(stream) || chance.oneIn(150)) {
      this.#streams[index] = this.#streams.at(-1) as Sender;
      this.#streams.pop();
      if (!this.#checker.streams.delete(stream)) return;
      this.#run(() => this.#service.handleStreamClosed(stream, this.#now));
      return;
    }
    const messages = Array.from({ length: 1 + chance.below(3) }, () => this.#message(sender, true));
    const bytes = Buffer.concat(messages);
    const cut = chance.oneIn(3) ? chance.below(bytes.length + 1) : bytes.length;
    for (const part of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
      if (part.length === 0 || !this.#checker.streams.has(stream)) continue;
      this.#deliver(
        part,
        (chunk) => this.#service.handleStreamData(stream, chunk, this.#now),
        (_, reply) => {
          if (isResponse(reply)) checkReply(reply, bytes.length);
        },
      );
    }
  }

  #message(sender: Sender, onStream: boolean): Uint8Array {
    const chance = this.#chance;
    const roll = chance.below(100);
    // A stream has no more to say after one damaged header, so there damage is rarer.
    const damage = chance.oneIn(onStream ? 12 : sender.trusted ? 6 : 2);
    if (roll < 12) {
      const data = this.#maker.channelData(onStream || chance.oneIn(3));
      return damage ? mutateBytes(data, chance) : data;
    }
    if (roll < 15 && !onStream) return chance.bytes(chance.below(200));
    if (roll < 18 && sender.lastAllocate !== undefined) return sender.lastAllocate;
    const kind = chance.pick(KINDS);
    const mutations = chance.oneIn(sender.trusted ? 3 : 2) ? 1 + chance.below(3) : 0;
    const packet = this.#maker.make(sender, kind, () => pickPeer(chance), mutations, this.#now);
    if (kind === 'allocate') sender.lastAllocate = packet;
    return damage ? mutateBytes(packet, chance) : packet;
  }

  #deliver(input: Uint8Array, handle: (packet: Uint8Array) => void, onReply?: ReplyCheck): void {
    const size = Math.min(input.length, this.#buffer.length);
    this.#buffer.set(input.subarray(0, size));
    this.lastInput = Buffer.from(input.subarray(0, 2000)).toString('hex');
    this.#run(() => handle(this.#buffer.subarray(0, size)), onReply);
    this.#buffer.fill(0xee, 0, size);
  }

  /** One mutation, then the drain. */
  #run(mutation: () => void, onReply?: ReplyCheck): void {
    mutation();
    for (let order = this.#service.pollOutput(); order !== undefined; order = this.#service.pollOutput()) {
      this.#checker.take(order);
      this.ordersTaken++;
      if (onReply === undefined) continue;
      if (order.type === 'send' && this.#checker.listeners.has(order.from)) onReply(order.to, order.packet);
      else if (order.type === 'write') onReply(undefined, order.packet);
    }
    const next = this.#service.pollTimeout();
    require(next === undefined || next > this.#now, 'a deadline that is due was left standing');
  }
}

/** Mostly short; now and then about as long as a datagram can be. */
function anyLength(chance: Chance): number {
  if (chance.oneIn(1000)) return 65_400 + chance.below(128);
  return chance.below(chance.oneIn(50) ? 1500 : 80);
}

type ReplyCheck = (to: Endpoint | undefined, packet: Uint8Array) => void;

/** Classes 10 and 11 of a STUN message (RFC 8489 §5). */
function isResponse(packet: Uint8Array): boolean {
  return ((packet[0] ?? 0xff) & 0xc1) === 0x01;
}

/** The one answer that may come later than its request: when the ports are bound, or could not be. */
function isAllocateAnswer(packet: Uint8Array): boolean {
  return packet[0] === 0x01 && (packet[1] === 0x13 || packet[1] === 0x03);
}

function sameTransaction(a: Uint8Array, b: Uint8Array): boolean {
  for (let index = 8; index < 20; index++) if (a[index] !== b[index]) return false;
  return true;
}

/** Readable, and no amplifier: who showed no key gets no more than a challenge, or what was sent. */
function checkReply(reply: Uint8Array, asked: number): DecodedMessage {
  const decoded = decodeMessage(reply);
  if (!decoded.ok) throw new BrokenInvariant(`answer that cannot be read: ${decoded.fault}`);
  const { messageIntegrity, messageIntegritySha256 } = decoded.message;
  const isSigned = messageIntegrity !== undefined || messageIntegritySha256 !== undefined;
  const enough = isSigned || reply.length <= Math.max(CHALLENGE_BYTES, asked);
  require(enough, `unauthenticated answer of ${reply.length} to ${asked} bytes`);
  return decoded.message;
}

/** Header 20, ERROR-CODE 24, REALM 16, NONCE 44, PASSWORD-ALGORITHMS 12, FINGERPRINT 8, and a word to spare. */
const CHALLENGE_BYTES = 128;
const FAILURES: readonly OpenFailure[] = ['in-use', 'no-descriptors', 'not-permitted', 'no-address', 'failed'];
const KINDS: readonly Kind[] = [
  'binding',
  'binding',
  'allocate',
  'allocate',
  'allocate',
  'allocate',
  'refresh',
  'permission',
  'permission',
  'permission',
  'channel',
  'channel',
  'channel',
  'send',
  'send',
  'unknown',
];
