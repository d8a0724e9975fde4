import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { adopt, Intake } from '../../../src/engine/portable/intake.ts';
import { createPortableEngine } from '../../../src/engine/portable/portable.ts';
import { ReadBuffers } from '../../../src/engine/portable/read-buffers.ts';
import { afterwards } from '../../afterwards.ts';
import { loopback, Rig, until } from '../conformance/rig.ts';

const MIB = 1024 * 1024;

test('many pairs at once, some read slowly: each reader gets the bytes that were meant for him', async (t) => {
  const rig = await Rig.start(t, { name: 'portable', create: createPortableEngine, skips: {} });
  const listener = rig.ids.socket();
  const spec = { transport: 'tcp', local: loopback(4), maxStreams: 100, held: true } as const;
  const result = await rig.engine.listen(listener, spec);
  assert.ok(result.ok);
  const sizes = Array.from({ length: 40 }, (_, n) => (n % 4 === 0 ? 3 * MIB + n : 70_000 + n));
  const digests = await Promise.all(
    sizes.map(async (size, n) => {
      const sent = randomBytes(size);
      const { client, upstream } = await pair(t, rig, result.local.port);
      client.end(sent);
      return [digest(sent), await slowDigest(upstream, n % 3 === 0)];
    }),
  );
  for (const [sent, received] of digests) assert.equal(received, sent);
});

test('a socket without the inside that we know goes on with buffers of its own', () => {
  const accepted = new FakeSocket();
  const intake = new Intake(new ReadBuffers());
  assert.equal(adopt(accepted as unknown as Socket, intake) as unknown, accepted);
  const got: string[] = [];
  intake.handTo((chunk) => {
    got.push(Buffer.from(chunk).toString());
    return got.length < 2;
  });
  accepted.emit('data', Buffer.from('one'));
  assert.equal(accepted.paused, false);
  accepted.emit('data', Buffer.from('two'));
  assert.equal(accepted.paused, true);
  assert.deepEqual(got, ['one', 'two']);
});

test('large buffers are lent to so many and no more, and used again', () => {
  const buffers = new ReadBuffers();
  const lent: Buffer[] = [];
  for (let one = buffers.lend(); one !== undefined; one = buffers.lend()) lent.push(one);
  assert.equal(lent.length * (lent[0]?.length ?? 0), 32 * MIB);
  const [first, second] = lent;
  assert.ok(first && second);
  buffers.takeBack(first, true);
  buffers.takeBack(second);
  assert.equal(buffers.lend(), second);
  const fresh = buffers.lend();
  assert.ok(fresh !== undefined && fresh !== first, 'bytes of the lost one may still be on their way');
  assert.equal(buffers.lend(), undefined);
});

class FakeSocket extends EventEmitter {
  paused = false;

  pause(): void {
    this.paused = true;
  }
}

/** A client of the listener and the upstream that it is joined with. */
async function pair(t: TestContext, rig: Rig, port: number): Promise<{ client: Socket; upstream: Socket }> {
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const local = server.address() as { port: number };
  const client = connect(port, '127.0.0.1');
  afterwards(t, () => {
    client.destroy();
    server.close();
  });
  await once(client, 'connect');
  const from = client.localPort;
  await until(() => rig.streams.some((one) => one.from.port === from), 'the stream');
  const a = rig.streams.find((one) => one.from.port === from)?.stream ?? assert.fail();
  const b = rig.ids.stream();
  const accepting = once(server, 'connection');
  rig.engine.connect(b, { to: { ...loopback(4), port: local.port }, timeout: 5000 });
  const [upstream] = (await accepting) as [Socket];
  afterwards(t, () => upstream.destroy());
  await until(() => rig.connected.has(b), 'the connection');
  rig.engine.join(a, b, { service: 'forward', idle: 0 });
  return { client, upstream };
}

async function slowDigest(socket: Socket, slow: boolean): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    hash.update(chunk);
    if (slow) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return hash.digest('hex');
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
