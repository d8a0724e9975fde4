import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expose } from '../../../src/control/metrics/exposition.ts';
import { collectEngine, collectTurn } from '../../../src/control/metrics/relay.ts';

test('families of one name become one, labels and help are escaped', () => {
  const family = (labels: Record<string, string>, value: number) => () => [
    { name: 'a_total', help: 'Of \\ and\nmore.', type: 'counter', samples: [{ labels, value }] } as const,
  ];
  assert.equal(
    expose([family({ x: 'q"\\\n' }, 1), family({}, 2.5), family({ x: 'y', z: '' }, Number.POSITIVE_INFINITY)]),
    '# HELP a_total Of \\\\ and\\nmore.\n# TYPE a_total counter\na_total{x="q\\"\\\\\\n"} 1\na_total 2.5\na_total{x="y",z=""} +Inf\n',
  );
});

test('the names are those of the design', () => {
  const traffic = [{ service: 'turn', direction: 'to_peer', packets: 2, bytes: 10 }] as const;
  const engine = {
    name: 'portable',
    mode: 'node:dgram',
    stats: () => ({
      flows: new Map([['turn', 3] as const]),
      traffic,
      drops: new Map([['engine', new Map([['send-failed', 4]])] as const]),
    }),
  };
  const turn = collectTurn({
    service: 'turn',
    allocations: 1,
    clients: 2,
    drops: [['over-budget', 5]],
    traffic,
    responses: [{ method: 'allocate', class: 'error', code: 401, count: 6 }],
  });
  const lines = expose([collectEngine(engine), () => turn])
    .split('\n')
    .filter((line) => !line.startsWith('#'));
  assert.deepEqual(lines, [
    'culvert_engine_info{engine="portable",mode="node:dgram"} 1',
    'culvert_packets_total{service="turn",direction="to_peer",datapath="portable"} 2',
    'culvert_packets_total{service="turn",direction="to_peer",datapath="service"} 2',
    'culvert_bytes_total{service="turn",direction="to_peer",datapath="portable"} 10',
    'culvert_bytes_total{service="turn",direction="to_peer",datapath="service"} 10',
    'culvert_flows{service="turn",datapath="portable"} 3',
    'culvert_drops_total{service="engine",reason="send-failed"} 4',
    'culvert_drops_total{service="turn",reason="over-budget"} 5',
    'culvert_clients{service="turn"} 2',
    'culvert_turn_allocations 1',
    'culvert_turn_responses_total{method="allocate",class="error",code="401"} 6',
    '',
  ]);
});
