import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { TlsMaterial } from '../../../src/engine/engine.ts';
import { Places } from '../../../src/engine/portable/places.ts';
import { createPortableEngine } from '../../../src/engine/portable/portable.ts';
import { afterwards } from '../../afterwards.ts';
import { missing } from '../../requirements.ts';
import { selfSigned } from '../certificate.ts';
import { type Bound, loopback, Rig, until } from '../conformance/rig.ts';

const tls = missing('openssl');
const severalAddresses = process.platform === 'linux' ? false : 'only Linux has all of 127.0.0.0/8';

test('one source gets a quarter of the places, the next source its own', () => {
  const places = new Places(200);
  const names = Array.from({ length: 60 }, () => places.take('192.0.2.1'));
  assert.equal(names.filter((name) => name !== undefined).length, 50);
  assert.notEqual(places.take('192.0.2.2'), undefined);
  places.leave(names[0] ?? assert.fail());
  assert.notEqual(places.take('192.0.2.1'), undefined);
  assert.equal(places.take('192.0.2.1'), undefined);
});

test('the addresses of an IPv6 /64 are one source', () => {
  const places = new Places(128);
  for (let host = 1; host <= 32; host++) assert.notEqual(places.take(`2001:db8::${host}`), undefined);
  assert.equal(places.take('2001:db8::ffff'), undefined);
  assert.notEqual(places.take('2001:db8:0:1::1'), undefined);
});

test('few places are not cut down to one for a source', () => {
  const places = new Places(40);
  for (let n = 0; n < 32; n++) assert.notEqual(places.take('192.0.2.1'), undefined);
});

test('a host that opens many streams leaves room for the others', { skip: severalAddresses }, async (t) => {
  const { rig, listener } = await listening(t, 128);
  const hoard = Array.from({ length: 36 }, () => knock(t, listener));
  await rig.dropped('engine', 'too-many-of-one-source', 4);
  assert.equal(rig.streams.length, 32);
  knock(t, listener, '127.0.0.2');
  await until(() => rig.streams.length === 33, 'the stream of another host');
  for (const socket of hoard) socket.destroy();
  await until(() => rig.closedStreams.length === 32, 'the hoard to end');
  knock(t, listener);
  await until(() => rig.streams.length === 34, 'its place is free again');
});

test('a host that only knocks leaves room for the handshakes of others', {
  skip: tls || severalAddresses,
}, async (t) => {
  const { rig, listener } = await listening(t, 256, selfSigned(t, 'places'));
  for (let n = 0; n < 36; n++) knock(t, listener);
  await rig.dropped('engine', 'too-many-handshakes', 4);
  const other = knock(t, listener, '127.0.0.2');
  await once(other, 'connect');
  other.write('no handshake');
  // Those that were refused count as failed, too.
  await rig.dropped('engine', 'handshake-failed', 5);
});

test('a handshake that is never finished ends, and its place is free', { skip: tls }, async (t) => {
  const { rig, listener } = await listening(t, 64, selfSigned(t, 'patience'), 200);
  const knockers = Array.from({ length: 16 }, () => knock(t, listener));
  await Promise.all(knockers.map((knocker) => once(knocker, 'close')));
  await rig.dropped('engine', 'handshake-failed', 16);
  assert.equal(rig.drops('engine', 'too-many-handshakes') + rig.drops('engine', 'too-many-streams'), 0);
});

async function listening(t: TestContext, maxStreams: number, material?: TlsMaterial, handshakeTimeout = 10_000) {
  const rig = await Rig.start(t, {
    name: 'portable',
    create: (parts) => createPortableEngine({ ...parts, handshakeTimeout }),
    skips: {},
  });
  const id = rig.ids.socket();
  const local = loopback(4);
  const spec =
    material === undefined
      ? ({ transport: 'tcp', local, maxStreams } as const)
      : ({ transport: 'tls', local, maxStreams, tls: material } as const);
  const result = await rig.engine.listen(id, spec);
  assert.ok(result.ok, JSON.stringify(result));
  const listener: Bound = { id, local: result.local };
  return { rig, listener };
}

function knock(t: TestContext, { local }: Bound, localAddress?: string): Socket {
  const socket = connect({ host: local.address, port: local.port, ...(localAddress && { localAddress }) });
  socket.on('error', () => {});
  afterwards(t, () => socket.destroy());
  return socket.resume();
}
