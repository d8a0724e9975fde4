// Run by descriptors.test.ts under a low `ulimit -n`: opens ports until none is left, then sees whether the rest still works.
import { createPortableEngine } from '../../../src/engine/portable/portable.ts';
import { IdSource, type SocketId } from '../../../src/net/ids.ts';
import { loopback, until } from '../conformance/rig.ts';

const ids = new IdSource();
const open: SocketId[] = [];
const failures = new Set<string>();
let answers = 0;
let echoed = '';
const engine = createPortableEngine({
  ids,
  sink: {
    datagram: (_at, _from, packet) => (echoed = Buffer.from(packet).toString()),
    portOpened: (socket, result) => {
      answers += 1;
      if (result.ok) open.push(socket);
      else failures.add(result.failure);
    },
    flowIdle: () => {},
    streamOpened: () => {},
    streamData: () => {},
    streamClosed: () => {},
    streamConnected: () => {},
  },
});

const listener = ids.socket();
const listening = await engine.listen(listener, { transport: 'udp', local: loopback(4) });
for (let n = 0; n < 100; n++) engine.openPort(ids.socket(), loopback(4));
await until(() => answers === 100, 'every answer');
if (listening.ok) engine.send(listener, listening.local, Buffer.from('still alive'));
await until(() => echoed !== '', 'a datagram');

const before = open.length;
for (const socket of open.slice(0, 5)) engine.closePort(socket);
engine.openPort(ids.socket(), loopback(4));
await until(() => answers === 101, 'one more answer');
console.log(JSON.stringify({ failures: [...failures], echoed, reopened: open.length === before + 1 }));
await engine.close();
