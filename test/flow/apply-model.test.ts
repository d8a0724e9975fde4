import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { apply } from '../../src/flow/apply.ts';
import type { Discriminator, Encapsulation, Flow } from '../../src/flow/flow.ts';
import { FlowTable } from '../../src/flow/flow-table.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { channelData, exampleFlow, socketId, v4, v6 } from './example.ts';

// A table driven by random installs, removals and packets, against a list that is searched from end to end.

type Step =
  | { readonly do: 'add'; readonly flow: Flow }
  | { readonly do: 'remove'; readonly id: number }
  | { readonly do: 'removeSocket'; readonly socket: number }
  | { readonly do: 'packet'; readonly socket: number; readonly remote: Endpoint; readonly payload: Uint8Array };

const remotes = fc.constantFrom(v4(1000), v4(1001), v4(1000, '192.0.2.9'), v6(1000));
const sockets = fc.integer({ min: 1, max: 3 });
const channels = fc.constantFrom(0x4000, 0x4001, 0x7fff);
const receivers = fc.constantFrom(0, 7, 0xffffffff);
const words = fc.constantFrom(0x04b28000, 0xffffffff, 0);

const discriminators: fc.Arbitrary<Discriminator> = fc.oneof(
  fc.constant({ kind: 'none' } as const),
  fc.record({ kind: fc.constant('channel' as const), channel: channels }),
  fc.record({ kind: fc.constant('receiver' as const), index: receivers }),
);
const encapsulations: fc.Arbitrary<Encapsulation> = fc.oneof(
  fc.constantFrom({ kind: 'keep' } as const, { kind: 'strip' } as const),
  fc.record({ kind: fc.constantFrom('add' as const, 'replace' as const), channel: channels }),
);
const flows = fc
  .record({
    id: fc.integer({ min: 1, max: 1000 }),
    at: sockets,
    via: sockets,
    remote: remotes,
    to: remotes,
    discriminator: discriminators,
    encapsulation: encapsulations,
    exceptWord: fc.option(words, { nil: undefined }),
  })
  .map(({ exceptWord, ...parts }) =>
    exceptWord === undefined || parts.discriminator.kind !== 'none' ? parts : { ...parts, exceptWord },
  )
  .map((parts) =>
    exampleFlow(
      parts.discriminator.kind === 'channel' ||
        parts.encapsulation.kind === 'keep' ||
        parts.encapsulation.kind === 'add'
        ? parts
        : { ...parts, encapsulation: { kind: 'keep' } },
    ),
  );
const wireguard = fc
  .tuple(fc.constantFrom(92, 64, 32, 33), fc.constantFrom(1, 2, 3, 4), receivers)
  .map(([size, type, index]) => {
    const message = new Uint8Array(size);
    message[0] = type;
    new DataView(message.buffer).setUint32(type === 2 ? 8 : 4, index, true);
    return message;
  });
const payloads = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc
    .tuple(channels, fc.uint8Array({ maxLength: 20 }), fc.nat(4))
    .map(([c, data, padding]) => channelData(c, data, padding)),
  fc
    .tuple(channels, fc.uint8Array({ maxLength: 20 }), fc.nat(24))
    .map(([c, data, cut]) => channelData(c, data).subarray(0, cut)),
  wireguard,
  fc.tuple(words, fc.uint8Array({ maxLength: 8 }), fc.nat(8)).map(([word, tail, cut]) => {
    const first = Buffer.alloc(4);
    first.writeUInt32BE(word);
    return Uint8Array.of(...first, ...tail).subarray(0, cut);
  }),
);
const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: flows.map((flow) => ({ do: 'add', flow }) as const) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 1000 }).map((id) => ({ do: 'remove', id }) as const) },
  { weight: 1, arbitrary: sockets.map((socket) => ({ do: 'removeSocket', socket }) as const) },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('packet' as const), socket: sockets, remote: remotes, payload: payloads }),
  },
);

test('the table and apply agree with a list that is searched from end to end', () => {
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 60 }), (todo) => {
      const table = new FlowTable();
      let model: { flow: Flow; packets: number; bytes: number }[] = [];
      for (const step of todo) {
        switch (step.do) {
          case 'add': {
            const { flow } = step;
            if (model.some((entry) => entry.flow.id === flow.id)) continue;
            table.add(flow, 0);
            model = model.filter((entry) => !sameMatch(entry.flow, flow));
            model.push({ flow, packets: 0, bytes: 0 });
            break;
          }
          case 'remove': {
            const id = model[step.id % (model.length + 1)]?.flow.id;
            if (id === undefined) continue;
            assert.notEqual(table.remove(id), undefined);
            model = model.filter((entry) => entry.flow.id !== id);
            break;
          }
          case 'removeSocket': {
            const socket = socketId(step.socket);
            table.removeSocket(socket);
            model = model.filter(({ flow }) => flow.match.socket !== socket && flow.rewrite.socket !== socket);
            break;
          }
          case 'packet': {
            const verdict = apply(table, { socket: socketId(step.socket), remote: step.remote }, step.payload, 5);
            const expected = takerOf(model, step.socket, step.remote, step.payload);
            assert.equal(verdict.kind, expected === undefined ? 'miss' : 'forward');
            if (expected === undefined || verdict.kind !== 'forward') break;
            expected.packets += 1;
            expected.bytes += step.payload.length;
            assert.equal(verdict.flow, expected.flow);
            assert.equal(verdict.from, expected.flow.rewrite.socket);
            assert.equal(verdict.to, expected.flow.rewrite.remote);
            const out = Buffer.from(verdict.packet).toString('hex');
            assert.equal(out, expectedHex(expected.flow.rewrite.encapsulation, step.payload));
            break;
          }
        }
        assert.equal(table.size, model.length);
      }
      for (const { flow, packets, bytes } of model) {
        const counters = table.counters(flow.id);
        assert.deepEqual([counters?.packets, counters?.bytes], [packets, bytes]);
      }
    }),
    { numRuns: 300 },
  );
});

function sameMatch(a: Flow, b: Flow): boolean {
  const key = ({ match }: Flow) => JSON.stringify([match.socket, match.remote, match.discriminator]);
  return key(a) === key(b);
}

function takerOf<T extends { flow: Flow }>(
  model: T[],
  socket: number,
  remote: Endpoint,
  payload: Uint8Array,
): T | undefined {
  const here = model.filter(
    ({ flow: { match } }) => match.socket === socket && JSON.stringify(match.remote) === JSON.stringify(remote),
  );
  return (
    here.find(({ flow }) => fits(flow.match.discriminator, payload)) ??
    here.find(({ flow: { match } }) => match.discriminator.kind === 'none' && !isExcepted(match.exceptWord, payload))
  );
}

function isExcepted(word: number | undefined, payload: Uint8Array): boolean {
  return word !== undefined && payload.length >= 4 && Buffer.from(payload).readUInt32BE(0) === word;
}

function fits(discriminator: Discriminator, payload: Uint8Array): boolean {
  const bytes = Buffer.from(payload);
  switch (discriminator.kind) {
    case 'none':
      return false;
    case 'channel':
      return (
        bytes.length >= 4 &&
        bytes.readUInt16BE(0) === discriminator.channel &&
        bytes.readUInt16BE(2) <= bytes.length - 4
      );
    case 'receiver': {
      const type = bytes.length >= 12 ? bytes.readUInt32LE(0) : 0;
      const right =
        (type === 2 && bytes.length === 92) ||
        (type === 3 && bytes.length === 64) ||
        (type === 4 && bytes.length >= 32);
      return right && bytes.readUInt32LE(type === 2 ? 8 : 4) === discriminator.index;
    }
  }
}

function expectedHex(encapsulation: Encapsulation, payload: Uint8Array): string {
  const hex = Buffer.from(payload).toString('hex');
  const data = (): string => hex.slice(8, 8 + 2 * Buffer.from(payload).readUInt16BE(2));
  const withHeader = (channel: number, body: string): string =>
    channel.toString(16) + (body.length / 2).toString(16).padStart(4, '0') + body;
  switch (encapsulation.kind) {
    case 'keep':
      return hex;
    case 'strip':
      return data();
    case 'add':
      return withHeader(encapsulation.channel, hex);
    case 'replace':
      return withHeader(encapsulation.channel, data());
  }
}
