// Run by streams.test.ts under a low `ulimit -n`: clients come until there are few descriptors left, the rest wait, and all who were let in are served.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { createBatchedEngine } from '../../../src/engine/batched/batched.ts';
import { IdSource, type StreamId } from '../../../src/net/ids.ts';
import { loopback, until } from '../conformance/rig.ts';

const ids = new IdSource();
const streams: StreamId[] = [];
const connects: boolean[] = [];
const engine = createBatchedEngine({
  ids,
  seed: 1,
  sink: {
    datagram: () => {},
    portOpened: () => {},
    flowIdle: () => {},
    streamOpened: (stream) => streams.push(stream),
    streamData: () => {},
    streamClosed: () => {},
    streamConnected: (_stream, { ok }) => connects.push(ok),
  },
});
const listening = await engine.listen(ids.socket(), {
  transport: 'tcp',
  local: loopback(4),
  maxStreams: 500,
  held: true,
});
if (!listening.ok) throw new Error(listening.detail);

// The clients are a process of their own: their descriptors are not ours.
const script = `
const net = require('node:net');
const upstream = net.createServer().listen(0, '127.0.0.1', () => {
  console.log(upstream.address().port);
  for (let n = 0; n < 100; n++) net.connect(${listening.local.port}, '127.0.0.1').on('error', () => {});
})`;
const clients = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] });
const port = Number(await once(clients.stdout, 'data'));
const drops = (reason: string): number => engine.stats().drops.get('engine')?.get(reason) ?? 0;
const failed = (): number => drops('accept-deferred') + drops('accept-failed');
await until(() => failed() > 0, 'an accept that has to wait');
const before = process.cpuUsage();
const [begin, beginMillis] = [failed(), performance.now()];
await new Promise((resolve) => setTimeout(resolve, 1000));
const { user, system } = process.cpuUsage(before);
const failedMeanwhile = failed() - begin;
const seconds = (performance.now() - beginMillis) / 1000;

const seen = streams.length;
for (const client of streams) {
  const join = { with: client, first: Buffer.alloc(0), service: 'forward', idle: 0 } as const;
  engine.connect(ids.stream(), { to: { ...loopback(4), port }, timeout: 5000, join });
}
await until(() => connects.length === seen, 'an upstream for each');
const spare = [1, 2, 3].map(() => openSync('/dev/null', 'r'));
for (const fd of spare) closeSync(fd);
for (const stream of streams) engine.closeStream(stream);
clients.kill('SIGKILL');
await once(clients, 'exit');
await until(() => streams.length > seen, 'those that waited');
const cpu = (user + system) / 1e6;
const [joined, lacked] = [connects.filter((ok) => ok).length, drops('accept-failed')];
console.log(
  JSON.stringify({ failed: failedMeanwhile, cpu, seconds, seen, joined, lacked, served: streams.length > seen }),
);
await engine.close();
