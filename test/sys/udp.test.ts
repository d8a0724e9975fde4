import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { Arena } from '../../src/sys/arena.ts';
import { Epoll, EpollWait } from '../../src/sys/epoll.ts';
import { SystemError } from '../../src/sys/errno.ts';
import { type Fd, openDescriptors } from '../../src/sys/fd.ts';
import { feature } from '../../src/sys/features.ts';
import { ReceiveBatch } from '../../src/sys/receive-batch.ts';
import { SendBatch } from '../../src/sys/send-batch.ts';
import { decodeSockaddr, encodeSockaddr, SOCKADDR_BYTES } from '../../src/sys/sockaddr.ts';
import { bindTo, mergeArrivals, openUdp, sendTo } from '../../src/sys/udp-socket.ts';
import { missing } from '../requirements.ts';

const ffi = { skip: missing('ffi') };
const loopback: Endpoint = { family: 4, address: '127.0.0.1', port: 0 };

afterEach(() => assert.deepEqual(openDescriptors(), []));

test('socket addresses go there and back', () => {
  const view = new DataView(new ArrayBuffer(40), 4);
  for (const endpoint of [
    { family: 4, address: '192.0.2.1', port: 65_535 },
    { family: 6, address: '2001:db8::1', port: 1 },
    { family: 6, address: '::ffff:1.2.3.4', port: 9 },
  ] as const) {
    assert.equal(encodeSockaddr(endpoint, view, 4), endpoint.family === 4 ? 16 : SOCKADDR_BYTES);
    const { address, ...rest } = decodeSockaddr(view, 4);
    assert.deepEqual(rest, { family: endpoint.family, port: endpoint.port });
    assert.equal(address, address === '::ffff:102:304' ? address : endpoint.address);
  }
});

test('a descriptor is closed once', ffi, () => {
  const fd = openUdp(4);
  assert.deepEqual(openDescriptors(), ['UDP socket']);
  fd.close();
  assert.throws(() => fd.close(), /closed already/);
});

test('a bind that fails has a name', ffi, () => {
  const fd = openUdp(4);
  assert.throws(
    () => bindTo(fd, { family: 4, address: '192.0.2.123', port: 0 }),
    (error) => error instanceof SystemError && error.code === 'EADDRNOTAVAIL',
  );
  fd.close();
});

test('features are answers that stay', ffi, () => {
  for (const name of ['dont-fragment', 'io-uring', 'recvmmsg', 'sendmmsg', 'udp-gro', 'udp-segment'] as const) {
    assert.equal(feature(name), feature(name));
    const answer = feature(name);
    if (!answer.supported) assert.match(answer.needs, /^Linux /);
  }
});

test('what is sent in pieces arrives whole, from a named sender, and epoll tells of it', ffi, () => {
  const { from, to, fromLocal, toLocal } = pair();
  const epoll = new Epoll();
  epoll.add(to, 77);
  const wait = new EpollWait(epoll.fd.number, 4);
  assert.equal(wait.wait(0), 0);
  const batch = new ReceiveBatch(4);
  const { sender, text, name } = sending(toLocal);
  sender.begin();
  for (let n = 0; n < 3; n++) {
    sender.message(name.words, 0, 16);
    sender.piece(text, 5);
    sender.piece(text + 6, n);
  }
  assert.equal(sender.send(from.number, 1), 2);
  assert.equal(sender.send(from.number, 0), 3);
  assert.equal(wait.wait(1000), 1);
  assert.equal(wait.tag(0), 77);
  assert.equal(batch.receive(to.number, 1, 2), 2);
  assert.equal(batch.receive(to.number, 3, 1), 1);
  const texts = [1, 2, 3].map((n) => textOf(batch, n));
  assert.deepEqual(texts, ['hellow', 'hellowo', 'hello']);
  assert.deepEqual(decodeSockaddr(batch.arena.view, batch.sender(1)), fromLocal);
  assert.equal(batch.segmentSize(1), 0);
  epoll.remove(to);
  for (const fd of [from, to, epoll.fd]) fd.close();
});

test('a train is cut by the kernel, and merged again where both sides can', {
  skip: ffi.skip || (!feature('udp-segment').supported && 'needs Linux 4.18'),
}, () => {
  for (const merged of [false, true]) {
    const { from, to, toLocal } = pair();
    if (merged && !mergeArrivals(to)) return;
    const batch = new ReceiveBatch(4);
    const { sender, text, name } = sending(toLocal);
    sender.begin();
    sender.message(name.words, 0, 16);
    for (let n = 0; n < 3; n++) sender.piece(text + n, n === 2 ? 2 : 4);
    sender.cut(4);
    assert.equal(sender.send(from.number, 0), 1);
    const count = batch.receive(to.number, 0, 4);
    const texts = Array.from({ length: count }, (_, n) => textOf(batch, n));
    if (merged && count === 1) assert.equal(batch.segmentSize(0), 4);
    else assert.deepEqual(texts, ['hell', 'ello', 'll']);
    assert.equal(texts.join(''), 'hellelloll');
    from.close();
    to.close();
  }
});

test('an error of sending is its errno', ffi, () => {
  const fd = openUdp(4);
  assert.equal(sendTo(fd, Uint8Array.of(1), { family: 4, address: '255.255.255.255', port: 9 }), -13);
  fd.close();
});

function pair(): { from: Fd; to: Fd; fromLocal: Endpoint; toLocal: Endpoint } {
  const [from, to] = [openUdp(4), openUdp(4)];
  return { from, to, fromLocal: bindTo(from, loopback), toLocal: bindTo(to, loopback) };
}

function sending(to: Endpoint) {
  const arena = new Arena(8192);
  const text = arena.take(16);
  arena.bytes.set(Buffer.from('hello world'), text);
  const name = new Arena(32);
  encodeSockaddr(to, name.view, 0);
  return { sender: new SendBatch(arena, 8, 32), text, name };
}

function textOf(batch: ReceiveBatch, n: number): string {
  return Buffer.from(batch.arena.bytes.subarray(batch.buffer(n), batch.buffer(n) + batch.length(n))).toString();
}
