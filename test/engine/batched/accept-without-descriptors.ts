// Run by streams.test.ts under a low `ulimit -n`: clients come until no descriptor is left, wait, and leave again.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createBatchedEngine } from '../../../src/engine/batched/batched.ts';
import { IdSource, type StreamId } from '../../../src/net/ids.ts';
import { loopback, until } from '../conformance/rig.ts';

const ids = new IdSource();
const streams: StreamId[] = [];
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
    streamConnected: () => {},
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
const script = `for (let n = 0; n < 100; n++) require('node:net').connect(${listening.local.port}, '127.0.0.1').on('error', () => {})`;
const clients = spawn(process.execPath, ['-e', script], { stdio: 'ignore' });
const failed = (): number => engine.stats().drops.get('engine')?.get('accept-failed') ?? 0;
await until(() => failed() > 0, 'a failed accept');
const before = process.cpuUsage();
const [begin, beginMillis] = [failed(), performance.now()];
await new Promise((resolve) => setTimeout(resolve, 1000));
const { user, system } = process.cpuUsage(before);
const failedMeanwhile = failed() - begin;
const seconds = (performance.now() - beginMillis) / 1000;

const seen = streams.length;
for (const stream of streams) engine.closeStream(stream);
clients.kill('SIGKILL');
await once(clients, 'exit');
await until(() => streams.length > seen, 'those that waited');
const cpu = (user + system) / 1e6;
console.log(JSON.stringify({ failed: failedMeanwhile, cpu, seconds, served: streams.length > seen }));
await engine.close();
