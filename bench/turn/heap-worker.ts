/**
 * What the TURN service itself keeps for one allocation with one channel: the heap after, less the heap before, with no engine
 * below. Needs --expose-gc. Argument: number of allocations. Prints one line of JSON.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { IdSource } from '../../src/net/ids.ts';
import { HOUR, MINUTE, type Millis } from '../../src/net/time.ts';
import type { TurnConfig } from '../../src/service/turn/config.ts';
import { TurnService } from '../../src/service/turn/turn.ts';
import { decodeMessage, encodeMessage } from '../../src/wire/stun/codec.ts';
import { METHOD_ALLOCATE, METHOD_CHANNEL_BIND, type StunAttributes } from '../../src/wire/stun/message.ts';

const START: Millis = 1_700_000_000_000;
const RELAY = '203.0.113.1';
const user = { username: 'bench', realm: 'culvert', password: 'only-for-benchmarks' };
const key = createHash('md5').update(`${user.username}:${user.realm}:${user.password}`).digest();
const noBudget = { perAddress: 0, perPrefix: 0, burstSeconds: 1, maxSources: 16 };

const config: TurnConfig = {
  realm: user.realm,
  software: '',
  strictChannels: false,
  credentials: { users: new Map([[user.username, user.password]]), secrets: [], stampSecrets: [] },
  nonceKey: randomBytes(32),
  nonceLifetime: HOUR,
  relay: { ipv4: { advertised: RELAY, bind: RELAY } },
  ports: { min: 1024, max: 65_535 },
  peers: { allow: [], deny: [] },
  ownEndpoints: [],
  ownAddresses: [],
  quota: { perUser: 0, total: 0, bytesPerSecond: 0 },
  lifetime: { default: 10 * MINUTE, max: HOUR },
  maxPermissions: 64,
  maxChannels: 64,
  unauthenticatedBudget: noBudget,
  canSetDontFragment: false,
};

const ids = new IdSource();
const service = new TurnService(config, ids, randomBytes);
const listener = ids.socket();
service.addListener(listener, { family: 4, address: RELAY, port: 3478 });

const count = Number(process.argv[2] ?? 10_000);
// Code, caches and pools are there after the first ones: they belong to nobody.
for (let i = 0; i < 200; i++) allocate(i);
const before = heapBytes();
for (let i = 200; i < 200 + count; i++) allocate(i);
const bytes = heapBytes() - before;
if (service.stats().allocations !== 200 + count) throw new Error('the service refused allocations');
console.log(JSON.stringify({ allocations: count, heapPerAllocation: Math.round(bytes / count) }));

function allocate(serial: number): void {
  const from: Endpoint = { family: 4, address: `198.18.${serial >> 8}.${serial & 255}`, port: 40_000 };
  const challenge = request(from, METHOD_ALLOCATE, { requestedTransport: 17 });
  const { nonce = '' } = challenge;
  const credentials = { username: user.username, realm: user.realm, nonce };
  const { errorCode } = request(from, METHOD_ALLOCATE, { requestedTransport: 17, ...credentials });
  if (errorCode !== undefined) throw new Error(`Allocate: ${errorCode.code}`);
  const peer: Endpoint = { family: 4, address: `8.8.${serial >> 8}.${serial & 255}`, port: 9 };
  const bound = request(from, METHOD_CHANNEL_BIND, { channelNumber: 0x4000, xorPeerAddresses: [peer], ...credentials });
  if (bound.errorCode !== undefined) throw new Error(`ChannelBind: ${bound.errorCode.code}`);
}

function request(from: Endpoint, method: number, attributes: StunAttributes): StunAttributes {
  const message = { class: 'request', method, transactionId: randomBytes(12), attributes } as const;
  const signed = attributes.nonce === undefined ? {} : { integrity: { algorithm: 'sha1', key } as const };
  // Packets and endpoints as an engine hands them up: fresh ones.
  service.handleDatagram(listener, { ...from }, encodeMessage(message, signed).slice(), START);
  const answer = drain();
  if (answer === undefined || !answer.ok) throw new Error('no answer from the service');
  return answer.message.attributes;
}

/** Carries out the orders as an engine would, keeping nothing; gives the last message that was sent. */
function drain(): ReturnType<typeof decodeMessage> | undefined {
  let answer: ReturnType<typeof decodeMessage> | undefined;
  for (let order = service.pollOutput(); order !== undefined; order = service.pollOutput()) {
    if (order.type === 'send') answer = decodeMessage(order.packet);
    if (order.type === 'openPort') service.handlePortOpened(order.socket, { ok: true, local: order.local }, START);
  }
  return answer;
}

function heapBytes(): number {
  if (globalThis.gc === undefined) throw new Error('run with --expose-gc');
  for (let i = 0; i < 4; i++) globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
