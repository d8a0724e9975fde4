import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { type TlsMaterial, TlsMaterialError } from '../../../src/engine/engine.ts';
import { afterwards } from '../../afterwards.ts';
import { selfSigned } from '../certificate.ts';
import { type Bound, type ConformanceOptions, loopback, Rig, until } from './rig.ts';

/** TLS listeners: streams after a handshake. */
export function tlsTests(options: ConformanceOptions): void {
  test('a TLS stream carries data both ways', async (t) => {
    const { rig, listener } = await secured(t, options);
    const client = await connectTls(t, listener);
    await until(() => rig.streams.length > 0, 'a stream');
    const { stream, at, from } = rig.streams[0] ?? assert.fail();
    assert.equal(at, listener.id);
    assert.equal(from.port, client.localPort);
    client.write('in');
    await until(() => rig.streamBytes.get(stream)?.toString() === 'in', 'data from the client');
    rig.engine.write(stream, Buffer.from('out'), false);
    const [chunk] = await once(client, 'data');
    assert.equal(chunk.toString(), 'out');
    client.end();
    await until(() => rig.closedStreams.length > 0, 'the end of the stream');
  });

  test('each message is a TLS record, however many wait', async (t) => {
    const { rig, listener } = await secured(t, options);
    const client = await connectTls(t, listener);
    await until(() => rig.streams.length > 0, 'a stream');
    const { stream } = rig.streams[0] ?? assert.fail();
    const chunks: string[] = [];
    client.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
    const messages = Array.from({ length: 2000 }, (_, index) => `message ${index}`);
    for (const message of messages) rig.engine.write(stream, Buffer.from(message), false);
    await until(() => chunks.length >= messages.length, 'all messages');
    assert.deepEqual(chunks, messages);
    for (const message of ['last', 'words']) rig.engine.write(stream, Buffer.from(message), false);
    rig.engine.closeStream(stream);
    await once(client, 'end');
    assert.equal(chunks.slice(messages.length).join(''), 'lastwords');
  });

  test('ALPN: ours is chosen when offered, none is needed, others alone are refused', async (t) => {
    const { listener } = await secured(t, options);
    const chosen = async (ALPNProtocols?: string[]) =>
      (await connectTls(t, listener, ALPNProtocols === undefined ? {} : { ALPNProtocols })).alpnProtocol;
    assert.equal(await chosen(['stun.turn']), 'stun.turn');
    assert.equal(await chosen(['h2', 'stun.nat-discovery']), 'stun.nat-discovery');
    assert.equal(await chosen(), false);
    await assert.rejects(chosen(['h2']));
  });

  test('TLS 1.1 is refused, 1.2 is not', async (t) => {
    const { rig, listener } = await secured(t, options);
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await assert.rejects(connectTls(t, listener, old));
    const client = await connectTls(t, listener, { maxVersion: 'TLSv1.2' });
    assert.equal(client.getProtocol(), 'TLSv1.2');
    await rig.dropped('engine', 'handshake-failed', 1);
  });

  test('updateTls: new connections see the new certificate, old ones live on, bad material changes nothing', async (t) => {
    const { rig, listener, material } = await secured(t, options);
    const before = await connectTls(t, listener);
    const renewed = selfSigned(t, 'renewed');
    rig.engine.updateTls(listener.id, renewed);
    const nameOf = async () => (await connectTls(t, listener)).getPeerCertificate().subject.CN;
    assert.equal(await nameOf(), 'renewed');
    for (const bad of [
      { cert: 'nonsense', key: 'nonsense' },
      { ...renewed, key: material.key },
      { cert: '', key: '' },
    ]) {
      assert.throws(() => rig.engine.updateTls(listener.id, bad), TlsMaterialError);
    }
    assert.equal(await nameOf(), 'renewed');
    before.write('still here');
    await until(() => [...rig.streamBytes.values()].some((bytes) => bytes.toString() === 'still here'), 'old data');
  });

  test('unusable material at the start is a result', async (t) => {
    const rig = await Rig.start(t, options);
    const spec = { transport: 'tls', local: loopback(4), maxStreams: 1, tls: { cert: 'x', key: 'y' } } as const;
    const result = await rig.engine.listen(rig.ids.socket(), spec);
    assert.equal(result.ok ? '' : result.failure, 'failed');
    assert.match(result.ok ? '' : result.detail, /certificate or key/);
  });

  test('who never finishes a handshake is no stream and keeps nobody out', async (t) => {
    const { rig, listener } = await secured(t, options, 40);
    for (let n = 0; n < 20; n++) {
      const knocker = connectTcp(listener.local.port, listener.local.address);
      knocker.on('error', () => {});
      afterwards(t, () => knocker.destroy());
      await once(knocker, 'connect');
    }
    await until(() => rig.drops('engine', 'too-many-handshakes') > 0, 'a bound on handshakes');
    assert.deepEqual(rig.streams, []);
  });

  test('finished handshakes make room for more of them', async (t) => {
    const { rig, listener } = await secured(t, options, 40);
    for (let n = 1; n <= 20; n++) {
      await connectTls(t, listener);
      await until(() => rig.streams.length === n, `stream ${n}`);
    }
    assert.equal(rig.drops('engine', 'too-many-handshakes'), 0);
  });

  test('plain text is a failed handshake, counted', async (t) => {
    const { rig, listener } = await secured(t, options);
    const client = connectTcp(listener.local.port, listener.local.address);
    client.on('error', () => {});
    client.end('GET / HTTP/1.0\r\n\r\n');
    await once(client.resume(), 'close');
    await rig.dropped('engine', 'handshake-failed', 1);
    assert.deepEqual(rig.streams, []);
  });
}

async function secured(
  t: TestContext,
  options: ConformanceOptions,
  maxStreams = 10,
): Promise<{ rig: Rig; listener: Bound; material: TlsMaterial }> {
  const rig = await Rig.start(t, options);
  const material = selfSigned(t, 'first');
  const id = rig.ids.socket();
  const result = await rig.engine.listen(id, { transport: 'tls', local: loopback(4), maxStreams, tls: material });
  assert.ok(result.ok, JSON.stringify(result));
  return { rig, listener: { id, local: result.local }, material };
}

async function connectTls(t: TestContext, { local }: Bound, more: ConnectionOptions = {}): Promise<TLSSocket> {
  const client = connect({ host: local.address, port: local.port, rejectUnauthorized: false, ...more });
  afterwards(t, () => client.destroy());
  await once(client, 'secureConnect');
  client.on('error', () => {});
  return client;
}
