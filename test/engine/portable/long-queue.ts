// Run by queued-sends.test.ts with every datagram queued: sends more in one turn than the queue may hold, then once more.
import { createPortableEngine } from '../../../src/engine/portable/portable.ts';
import { IdSource } from '../../../src/net/ids.ts';
import { loopback, until } from '../conformance/rig.ts';

const ids = new IdSource();
const nothing = (): void => {};
let received = 0;
const engine = createPortableEngine({
  ids,
  sink: {
    datagram: () => (received += 1),
    portOpened: nothing,
    flowIdle: nothing,
    streamOpened: nothing,
    streamData: nothing,
    streamClosed: nothing,
    streamConnected: nothing,
  },
});
const socket = ids.socket();
const listening = await engine.listen(socket, { transport: 'udp', local: loopback(4) });
if (!listening.ok) throw new Error(listening.detail);
const dropped = (): number => engine.stats().drops.get('engine')?.get('send-queue-full') ?? 0;

const packet = new Uint8Array(60_000);
for (let n = 0; n < 200; n++) engine.send(socket, listening.local, packet);
const atOnce = dropped();
await until(() => received > 0, 'some of them');
// Whatever the receive buffer lost of the burst, the queue runs empty and takes packets again.
await new Promise((resolve) => setTimeout(resolve, 100));
received = 0;
engine.send(socket, listening.local, packet);
await until(() => received > 0, 'one more');
console.log(JSON.stringify({ queuedBytes: (200 - atOnce) * packet.length, droppedLater: dropped() - atOnce }));
await engine.close();
