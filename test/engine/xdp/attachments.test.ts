// Interfaces that are deleted and made again while the program is on them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { Attachments } from '../../../src/engine/xdp/attachments.ts';
import { missing } from '../../requirements.ts';
import { ip } from './namespace.ts';
import { KernelRig } from './rig.ts';
import { TwoSides } from './two-sides.ts';

test('the program on interfaces that come and go', { skip: missing('bpf', 'ffi') }, async (context) => {
  let network: TwoSides;
  let rig: KernelRig;
  const logged: string[] = [];
  before(() => {
    network = new TwoSides();
    network.setPeerGro(true);
    rig = new KernelRig();
  });
  after(() => {
    rig.close();
    network.other.close();
  });
  const make = (): void => {
    network.other.connect('relay1', 'peers1');
    network.other.visit(() => execFileSync('ethtool', ['-K', 'peers1', 'gro', 'on'], { stdio: 'ignore' }));
  };
  const isOn = (name: string): boolean => ip('link', 'show', name).includes('prog/xdp');

  await context.test('one that goes leaves the others their program, and has it when it is back', () => {
    make();
    const opened = Attachments.open(rig.program, {
      interfaces: ['relay0', 'relay1'],
      pins: undefined,
      log: (line) => logged.push(line),
    });
    assert.ok(opened.ok, JSON.stringify(opened));
    const { attachments } = opened;
    attachments.refresh();
    assert.deepEqual(logged, []);

    network.disconnect('relay1');
    attachments.refresh();
    attachments.refresh();
    assert.deepEqual(logged.splice(0), ['relay1 is gone: XDP goes on without it']);
    assert.equal(attachments.mode, 'native');
    assert.equal(attachments.exits.size, 1);
    assert.ok(isOn('relay0'));

    make();
    attachments.refresh();
    attachments.refresh();
    assert.deepEqual(logged.splice(0), ['relay1 is back: XDP is attached again']);
    assert.equal(attachments.mode, 'native');
    assert.ok(isOn('relay0') && isOn('relay1'));

    ip('link', 'set', 'relay1', 'down');
    ip('link', 'set', 'relay1', 'name', 'renamed1');
    attachments.refresh();
    assert.deepEqual(logged.splice(0), ['relay1 is gone: XDP goes on without it']);
    assert.deepEqual([isOn('relay0'), isOn('renamed1')], [true, false]);
    ip('link', 'set', 'renamed1', 'name', 'relay1');
    attachments.refresh();
    assert.deepEqual(logged.splice(0), ['relay1 is back: XDP is attached again']);

    for (const name of ['relay0', 'relay1']) network.disconnect(name);
    attachments.refresh();
    assert.equal(attachments.mode, 'off');
    attachments.close();
  });
});
