import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSharedMemory, SOCKET_TOUCHED, SOCKET_WORDS } from '../../../src/engine/batched/layout.ts';
import { UdpPorts } from '../../../src/engine/batched/udp-ports.ts';
import { DropCounts } from '../../../src/engine/portable/drop-counts.ts';
import { socketId } from '../../flow/example.ts';
import { missing } from '../../requirements.ts';

const LOCAL = { family: 4, address: '127.0.0.1', port: 0 } as const;

function rig() {
  const memory = createSharedMemory(1024, 4, 1);
  const ports = new UdpPorts(memory, new DropCounts(), false);
  const settled: string[] = [];
  const reader = (name: string) => ({
    takesTrains: true,
    add: () => {},
    remove: () => {},
    settle: (touched: number) => void settled.push(`${name} ${touched}`),
  });
  let next = 1;
  const open = (by: ReturnType<typeof reader>) => {
    const id = socketId(next++);
    assert.ok(ports.open(id, LOCAL, { receive: 1, send: 1 }, by).ok);
    return ports.get(id) ?? assert.fail();
  };
  return { ports, sockets: new Int32Array(memory.sockets), settled, reader, open };
}

test('a place stays with its reader, who may look there a moment longer', { skip: missing('ffi') }, () => {
  const { ports, reader, open } = rig();
  const [one, other] = [reader('one'), reader('other')];
  const first = open(one);
  ports.close(first);
  const second = open(other);
  assert.notEqual(second.place, first.place);
  const third = open(one);
  assert.equal(third.place, first.place);
  assert.notEqual(third.generation, first.generation);
  for (const port of [second, third]) ports.close(port);
});

test('who is about to read when a socket comes to the place is waited for', { skip: missing('ffi') }, () => {
  const { ports, sockets, settled, reader, open } = rig();
  const one = reader('one');
  const first = open(one);
  ports.close(first);
  // Here a worker leaves its mark, and does not know yet whether there is something to read.
  sockets[first.place * SOCKET_WORDS + SOCKET_TOUCHED] = 7;
  ports.close(open(one));
  assert.equal(settled.at(-1), 'one 7');
});

test("a port in somebody else's name has his number, or another where that is taken", {
  skip: missing('root', 'ffi'),
}, () => {
  const { ports, reader } = rig();
  const client = { family: 4, address: '192.0.2.77', port: 5000 } as const;
  const towards = { ...LOCAL, port: 9 };
  const [first, second] = [1, 2].map((n) => {
    const opened = ports.open(socketId(n), client, { receive: 1, send: 1 }, reader('one'), { towards });
    return opened.ok ? opened.local : assert.fail(opened.detail);
  });
  assert.deepEqual(first, client);
  assert.equal(second?.address, client.address);
  assert.notEqual(second?.port, client.port);
  for (const id of ports.ids) ports.close(ports.get(id) ?? assert.fail());
});
