import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import { METHOD_ALLOCATE } from '../../../src/wire/stun/message.ts';
import { KeptMirror } from '../kept-mirror.ts';
import { seededRandom } from '../seeded.ts';
import {
  bound,
  bytes,
  endpoint,
  Harness,
  inUse,
  PEER,
  PEER_2,
  PEER_6,
  prefix,
  silent,
  type TestClient,
  testConfig,
  UDP,
} from './harness.ts';

/**
 * Clients that do anything at any time, over an engine that answers, refuses or hangs. The harness throws when an order comes at the wrong
 * time (a flow or a packet on a closed port, a port closed under its flows, a flow removed twice). What is said to have changed is all that
 * changed. In the end nothing is left.
 */
for (let seed = 1; seed <= 12; seed++) {
  test(`random clients, seed ${seed}`, () => {
    const random = seededRandom(`life ${seed}`);
    const below = (limit: number) => Buffer.from(random(4)).readUInt32BE(0) % limit;
    const config = testConfig({ ports: { min: 50_000, max: 50_015 }, maxPermissions: 3, maxChannels: 3 });
    const harness = new Harness(config, seed);
    const clients = Array.from({ length: 8 }, (_, index) => newClient(harness, index, 0));
    const relayed: Endpoint[] = [];
    const mirror = new KeptMirror(harness.service);
    for (let step = 0; step < 600; step++) {
      if (step % 6 === 0) mirror.check();
      const index = below(clients.length);
      const client = clients[index];
      if (client === undefined) continue;
      if (isClosed(harness, client)) {
        clients[index] = newClient(harness, index, step);
        continue;
      }
      const peers = [PEER, PEER_2, PEER_6, endpoint('10.0.0.1:1'), ...relayed.slice(-12)];
      const peer = peers[below(peers.length)] ?? PEER;
      const channel = 0x4000 + below(4);
      switch (below(14)) {
        case 0:
        case 1: {
          const shapes = [
            {},
            {},
            { additionalAddressFamily: 2 },
            { evenPort: { reserveNext: true } },
            { requestedAddressFamily: 2 },
          ];
          const answer = client.allocate(shapes[below(shapes.length)]);
          relayed.push(...(answer?.attributes.xorRelayedAddresses ?? []));
          break;
        }
        case 2:
          client.refresh(
            [{ lifetime: 0 }, { lifetime: 0, requestedAddressFamily: 2 }, {}, { lifetime: 900 }][below(4)],
          );
          break;
        case 3:
          client.permit([peer, peers[below(peers.length)] ?? PEER]);
          break;
        case 4:
        case 5:
        case 6:
          client.bind(channel, peer);
          break;
        case 7:
          client.channelData(channel, bytes('data'));
          break;
        case 8:
          client.send(peer, bytes('data'));
          break;
        case 9:
          for (const socket of harness.ports.keys()) harness.datagram(socket, peer, bytes('data'));
          break;
        case 10:
          harness.pass(below(4) === 0 ? 290_000 : 7_000);
          break;
        case 11:
          harness.answer = [bound, bound, bound, inUse, silent][below(5)] ?? bound;
          break;
        case 12: {
          const packet = client.build(METHOD_ALLOCATE, { requestedTransport: UDP }, { nonce: 'nonce' }).slice();
          packet[below(packet.length)] = below(256);
          client.raw(packet);
          break;
        }
        default:
          if (below(3) === 0) {
            const deny = below(2) === 0 ? [] : [prefix('8.0.0.0/8')];
            const bytesPerSecond = below(2) * 100_000;
            const change = { ...config, peers: { allow: [], deny }, quota: { ...config.quota, bytesPerSecond } };
            harness.run(() => harness.service.updateConfig(change, harness.now));
          } else if ('stream' in client.reach) {
            const { stream } = client.reach;
            harness.run(() => harness.service.handleStreamClosed(stream, harness.now));
            clients[index] = newClient(harness, index, step);
          }
      }
    }
    mirror.check();
    harness.answer = bound;
    answerHangingPorts(harness);
    harness.pass(4_000_000);
    answerHangingPorts(harness);
    mirror.check();
    assert.deepEqual(mirror.values, []);
    assert.deepEqual(harness.service.stats().held, { entries: 0, deadlines: 0, openings: 0, freePorts: 32 });
    assert.equal(harness.flows.size, 0);
    assert.equal(harness.ports.size, 0);
  });
}

function newClient(harness: Harness, index: number, step: number): TestClient {
  const from = `198.18.${index}.1:${4000 + step}`;
  return index % 3 === 0 ? harness.streamClient(from) : harness.udpClient(from);
}

/** By the service, as a damaged message may make it. */
function isClosed(harness: Harness, { reach }: TestClient): boolean {
  return (
    'stream' in reach && harness.orders.some((order) => order.type === 'closeStream' && order.stream === reach.stream)
  );
}

/** The engine comes to itself and answers what it owes. */
function answerHangingPorts(harness: Harness): void {
  const answered = new Set<number>();
  for (const order of harness.orders.slice()) {
    if (order.type !== 'openPort' || harness.ports.has(order.socket) || answered.has(order.socket)) continue;
    if (harness.orders.some((other) => other.type === 'closePort' && other.socket === order.socket)) continue;
    answered.add(order.socket);
    harness.opened(order.socket, { ok: false, failure: 'failed', detail: 'late' });
  }
}
