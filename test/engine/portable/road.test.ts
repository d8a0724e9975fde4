import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DropCounts } from '../../../src/engine/portable/drop-counts.ts';
import { Road, type RoadSocket } from '../../../src/engine/portable/road.ts';
import { Slab } from '../../../src/engine/portable/slab.ts';
import { apply } from '../../../src/flow/apply.ts';
import type { Discriminator, Encapsulation, Flow } from '../../../src/flow/flow.ts';
import { FlowTable } from '../../../src/flow/flow-table.ts';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import type { SocketId } from '../../../src/net/ids.ts';
import { bucketId, channelData, exampleFlow, socketId, v4, v6 } from '../../flow/example.ts';

// The hot path against the reference: two tables with the same flows, the same packets, the same outcome to the byte.

const channels = fc.constantFrom(0x4000, 0x4fff, 0x7fff);
const remotes = fc.constantFrom(v4(1000), v4(1001), v4(1000, '192.0.2.9'));
const shapes: fc.Arbitrary<{ discriminator: Discriminator; encapsulation: Encapsulation }> = fc.oneof(
  fc.record({
    discriminator: fc.constant({ kind: 'none' } as const),
    encapsulation: fc.oneof(
      fc.constant({ kind: 'keep' } as const),
      fc.record({ kind: fc.constant('add' as const), channel: channels }),
    ),
  }),
  fc.record({
    discriminator: fc.record({ kind: fc.constant('channel' as const), channel: channels }),
    encapsulation: fc.oneof(
      fc.constantFrom({ kind: 'keep' } as const, { kind: 'strip' } as const),
      fc.record({ kind: fc.constantFrom('add' as const, 'replace' as const), channel: channels }),
    ),
  }),
);
const flowLists = fc
  .array(fc.tuple(shapes, remotes, fc.constantFrom(v4(7), v6(7)), fc.boolean()), { minLength: 1, maxLength: 8 })
  .map((list) =>
    list.map(([shape, remote, to, limited], index) =>
      exampleFlow({
        ...shape,
        id: index + 1,
        remote,
        to,
        ...(limited ? { limit: { bucket: bucketId(1), bytesPerSecond: 1000, burst: 60 } } : {}),
      }),
    ),
  );
const payloads = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc
    .tuple(channels, fc.uint8Array({ maxLength: 30 }), fc.nat(4))
    .map(([c, data, padding]) => channelData(c, data, padding)),
  fc.tuple(channels, fc.constantFrom(65_500, 65_503, 65_504)).map(([c, size]) => channelData(c, new Uint8Array(size))),
  fc.tuple(channels, fc.nat(12)).map(([c, cut]) => channelData(c, new Uint8Array(8)).subarray(0, cut)),
);
const packets = fc.array(fc.tuple(remotes, payloads, fc.nat(30)), { maxLength: 30 });

test('the hot path does what the reference says', () => {
  fc.assert(
    fc.property(flowLists, packets, (flows, arrivals) => {
      const reference = tableOf(flows);
      const subject = roadWith(flows);
      let now = 1000;
      for (const [remote, payload, pause] of arrivals) {
        now += pause;
        const verdict = apply(reference, { socket: socketId(1), remote }, payload, now);
        const outcome = subject.take(remote, payload, now);
        switch (verdict.kind) {
          case 'miss':
            assert.deepEqual(outcome, { missed: hex(payload), from: remote });
            break;
          case 'drop':
            assert.deepEqual(outcome, { dropped: verdict.reason });
            break;
          case 'forward':
            assert.deepEqual(outcome, { sent: hex(verdict.packet), by: verdict.from, to: verdict.to });
            break;
        }
      }
      for (const { id } of flows) assert.deepEqual(subject.table.counters(id), reference.counters(id));
    }),
    { numRuns: 200 },
  );
});

test('IPv6 remotes are looked up without zone and in canonical form, and IPv4-mapped ones as IPv4', () => {
  for (const [heard, canonical] of [
    ['fe80::1%eth0', v6(1000, 'fe80::1')],
    ['::ffff:192.0.2.1', v4(1000)],
    ['::192.0.2.1', v6(1000, '::c000:201')],
    ['2001:db8::1', v6(1000)],
  ] as const) {
    const missing = roadWith([], 6);
    const outcome = missing.take({ ...canonical, address: heard }, Uint8Array.of(1), 0);
    assert.deepEqual(outcome, { missed: '01', from: canonical }, heard);
    const present = roadWith([exampleFlow({ remote: canonical })], 6);
    assert.ok('sent' in present.take({ ...canonical, address: heard }, Uint8Array.of(1), 0), heard);
  }
});

type Outcome = { missed: string; from: Endpoint } | { dropped: string } | { sent: string; by: SocketId; to: Endpoint };

/** A road from socket 1 to socket 2 without sockets; `take` tells what became of one packet. */
function roadWith(flows: Flow[], family: 4 | 6 = 4) {
  const table = tableOf(flows);
  const drops = new DropCounts();
  const outcomes: Outcome[] = [];
  let clock = 0;
  const socketOf = (id: SocketId): RoadSocket => ({
    id,
    family,
    flows: table.socket(id),
    send: (packet, port, address) => {
      const to: Endpoint = { family: address.includes(':') ? 6 : 4, address, port };
      outcomes.push({ sent: hex(packet), by: id, to });
    },
  });
  const at = socketOf(socketId(1));
  const road = new Road({
    sockets: new Map([[socketId(2), socketOf(socketId(2))]]),
    drops,
    slab: new Slab(),
    clock: () => clock,
    miss: (_at, from, packet) => outcomes.push({ missed: hex(packet), from }),
  });
  const dropped = (): Map<string, number> => new Map(drops.read().get('turn'));
  return {
    table,
    take(remote: Endpoint, payload: Uint8Array, now: number): Outcome {
      clock = now;
      const before = dropped();
      // The road may write into what it is given; the test's copy stays.
      road.take(at, Uint8Array.from(payload), remote);
      for (const [reason, count] of dropped()) {
        if (count !== before.get(reason)) outcomes.push({ dropped: reason });
      }
      assert.equal(outcomes.length, 1, 'one outcome for each packet');
      return outcomes.pop() ?? assert.fail();
    },
  };
}

function tableOf(flows: Flow[]): FlowTable {
  const table = new FlowTable();
  for (const flow of flows) table.add(flow, 0);
  return table;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
