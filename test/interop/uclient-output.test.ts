import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseUclient } from './rig/uclient.ts';

test('the totals of a run are told from its running totals', () => {
  const output = [
    '3: : start_mclient: msz=2, tot_send_msgs=20, tot_recv_msgs=19, tot_send_bytes ~ 2000, tot_recv_bytes ~ 2000',
    '4: : start_mclient: tot_send_msgs=40, tot_recv_msgs=38',
    '4: : start_mclient: tot_send_bytes ~ 4000, tot_recv_bytes ~ 3800',
    '4: : Total lost packets 2 (5.000000%), total send dropped 0 (0.000000%)',
  ].join('\n');
  assert.deepEqual(parseUclient(output), { sent: 40, received: 38, lost: 2 });
});

test('a run that ended early has no totals', () => {
  assert.deepEqual(parseUclient('0: : ERROR: Cannot complete Allocation\n'), {
    sent: undefined,
    received: undefined,
    lost: undefined,
  });
});
