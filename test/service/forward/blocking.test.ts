import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parsePrefix } from '../../../src/net/prefix.ts';
import { endpoint, Harness, LOCAL, one, rule, types } from './harness.ts';

const CLIENT = '198.51.100.1:1000';

function proxied(client: string): Uint8Array {
  return Buffer.from(`PROXY TCP4 ${client} 192.0.2.80 1000 80\r\n`);
}

function behindBalancer(): Harness {
  const balancer = parsePrefix('10.0.0.0/8');
  assert.ok(balancer);
  return new Harness(rule(['192.0.2.1:80'], { proxyIn: [balancer] }));
}

describe('who is blocked', () => {
  test('gets no connection', () => {
    const harness = new Harness(rule(['192.0.2.1:80']));
    harness.block('198.51.100.0/24');
    assert.deepEqual(types(harness.open(CLIENT).orders), ['closeStream']);
    assert.deepEqual(types(harness.open('198.51.101.1:1').orders), ['connect']);
    assert.deepEqual(harness.drops(), { blocked: 1 });
  });

  test('loses his connections, joined or not; others stay', () => {
    const harness = new Harness(rule(['192.0.2.1:80']));
    for (const from of [CLIENT, '198.51.101.1:1']) harness.connected(one(harness.open(from).orders, 'connect').stream);
    harness.open(CLIENT);
    assert.deepEqual(types(harness.block('198.51.100.1')), Array(4).fill('closeStream'));
    assert.equal(harness.service.clientsLeft, 1);
  });

  test('is found behind a balancer too', () => {
    const harness = behindBalancer();
    harness.block('203.0.113.9');
    const { stream } = harness.open('10.0.0.1:1');
    assert.deepEqual(types(harness.data(stream, proxied('203.0.113.9'))), ['closeStream']);
    assert.deepEqual(harness.drops(), { blocked: 1 });
    const other = harness.open('10.0.0.1:2');
    assert.deepEqual(types(harness.data(other.stream, proxied('203.0.113.8'))), ['connect']);
    assert.deepEqual(types(harness.block('203.0.113.8')), ['closeStream', 'closeStream']);
  });

  test('loses his UDP session, flows before the port; replies of upstreams are never asked about', () => {
    const harness = new Harness(rule(['192.0.2.1:53'], { transport: 'dgram', idle: 60_000 }));
    const { socket } = harness.session(CLIENT);
    harness.service.handleDatagram(socket, endpoint('192.0.2.1:53'), Buffer.from('reply'), harness.now);
    harness.drain();
    assert.deepEqual(types(harness.block('192.0.2.1')), []);
    assert.deepEqual(types(harness.block('198.51.100.1')), ['removeFlow', 'removeFlow', 'closePort']);
    assert.deepEqual(types(harness.datagram(CLIENT, 'again')), []);
    assert.deepEqual(harness.drops(), { blocked: 1 });
  });

  test('was blocked for opening more than he may, again and again', () => {
    const harness = new Harness(rule(['192.0.2.1:80'], { limits: { total: 1000, perSource: 0, ratePerSource: 1 } }));
    for (let index = 0; index < 6; index++) harness.open(CLIENT);
    const [block] = harness.blocks.list(harness.now);
    assert.equal(block?.reason, 'rate');
    harness.open(CLIENT);
    assert.equal(harness.drops().blocked, 1);
  });
});

describe('client records', () => {
  test('of a connection have what the engine moved so far', () => {
    const harness = new Harness(rule(['192.0.2.1:80']));
    const { stream, orders } = harness.open(CLIENT);
    const upstream = one(orders, 'connect').stream;
    harness.connected(upstream);
    harness.streamBytes.set(stream, 700).set(upstream, 9000);
    assert.deepEqual(
      [...harness.service.clients()],
      [
        {
          service: 'forward',
          id: 'web',
          endpoint: endpoint(CLIENT),
          transport: 'stream',
          listener: LOCAL,
          via: ['192.0.2.1:80'],
          firstSeen: harness.now,
          lastSeen: undefined,
          sent: { packets: 0, bytes: 700 },
          received: { packets: 0, bytes: 9000 },
        },
      ],
    );
  });

  test('of a session count with and without flows, those that were replaced too', () => {
    const harness = new Harness(rule(['192.0.2.1:53'], { transport: 'dgram', idle: 60_000 }));
    const began = harness.now;
    const { socket, flow } = harness.session(CLIENT, 'hello');
    harness.carried.set(flow.id, { packets: 4, bytes: 40, lastSeen: began + 20 });
    // The reply renews the flow.
    harness.service.handleDatagram(socket, endpoint('192.0.2.1:53'), Buffer.from('reply!'), began + 30);
    harness.drain();
    harness.carried.delete(flow.id);
    const [record] = harness.service.clients();
    assert.deepEqual(
      [record?.firstSeen, record?.lastSeen, record?.sent, record?.received, record?.listener],
      [began, began + 20, { packets: 5, bytes: 45 }, { packets: 1, bytes: 6 }, LOCAL],
    );
  });
});
