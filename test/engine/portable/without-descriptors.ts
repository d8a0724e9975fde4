// Run by descriptors.test.ts under a low `ulimit -n`, with the name of an engine: opens ports until none is left, then sees whether
// the rest still works.
import { createBatchedEngine } from '../../../src/engine/batched/batched.ts';
import type { EngineSink } from '../../../src/engine/engine.ts';
import { createPortableEngine } from '../../../src/engine/portable/portable.ts';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import { IdSource, type SocketId } from '../../../src/net/ids.ts';
import { loopback, until } from '../conformance/rig.ts';

const ids = new IdSource();
const open: SocketId[] = [];
const failures = new Set<string>();
let answers = 0;
let echoed = '';
let bound: Endpoint | undefined;
const sink: EngineSink = {
  datagram: (_at, _from, packet) => (echoed = Buffer.from(packet).toString()),
  portOpened: (socket, result) => {
    answers += 1;
    if (result.ok) {
      open.push(socket);
      bound ??= result.local;
    } else failures.add(result.failure);
  },
  flowIdle: () => {},
  streamOpened: () => {},
  streamData: () => {},
  streamClosed: () => {},
  streamConnected: () => {},
};
const engine =
  process.argv[2] === 'batched'
    ? createBatchedEngine({ ids, sink, seed: 1, workers: 2 })
    : createPortableEngine({ ids, sink });

const listener = ids.socket();
const listening = await engine.listen(listener, { transport: 'udp', local: loopback(4) });
if (!listening.ok) throw new Error(listening.detail);
// What an engine starts when there is something to do has started when this arrives at both of its sockets.
const port = ids.socket();
engine.openPort(port, loopback(4));
await until(() => bound !== undefined, 'a port');
for (const to of [listening.local, bound ?? listening.local]) {
  echoed = '';
  engine.send(port, to, Buffer.from('up'));
  await until(() => echoed === 'up', 'a first datagram');
}

for (let n = 0; n < 100; n++) engine.openPort(ids.socket(), loopback(4));
await until(() => answers === 101, 'every answer');
engine.send(listener, listening.local, Buffer.from('still alive'));
await until(() => echoed === 'still alive', 'a datagram');

const before = open.length;
for (const socket of open.slice(0, 5)) engine.closePort(socket);
engine.openPort(ids.socket(), loopback(4));
await until(() => answers === 102, 'one more answer');
console.log(JSON.stringify({ failures: [...failures], echoed, reopened: open.length === before + 1 }));
await engine.close();
