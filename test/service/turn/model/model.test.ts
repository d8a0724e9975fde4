// The TURN service against a slow reference of who may send what to whom, over a network that loses, doubles and reorders.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { NetworkOptions } from '../../../simulation/network.ts';
import type { FlowPolicy } from '../../../simulation/turn-relay.ts';
import { type Command, schedules, weathers } from './commands.ts';
import { RULES, World } from './world.ts';

const CALM: NetworkOptions = { seed: 1, loss: 0, duplication: 0, minDelay: 5, maxDelay: 5 };
const POLICIES: readonly FlowPolicy[] = ['kept', 'never-installed', 'removed-at-random'];

describe('the TURN service and the reference model', () => {
  test('data passes exactly when it may, by flows and without them; then everything is forgotten', () => {
    let delivered = 0;
    let forwarded = 0;
    fc.assert(
      fc.property(schedules, weathers, (schedule, weather) => {
        const worlds = POLICIES.map((policy) => play(schedule, weather, policy));
        for (const world of worlds) assert.deepEqual(world.differences, []);
        const [kept, ...others] = worlds;
        for (const other of others) assert.deepEqual(other.received(), kept?.received());
        for (const world of worlds) assert.deepEqual(world.fallSilent(), { allocations: 0, entries: 0, deadlines: 0 });
        delivered += kept?.delivered ?? 0;
        forwarded += kept?.relay.forwarded ?? 0;
      }),
      // Shrinking may take minutes; what it has by then is reported. Too few runs fail the counts below.
      { numRuns: 100, interruptAfterTimeLimit: 45_000 },
    );
    assert.ok(delivered > 300, `only ${delivered} packets of data were due`);
    assert.ok(forwarded > 60, `flows carried only ${forwarded}`);
  });

  test('two clients of one relay talk by direct flows', () => {
    const world = play(HAIRPIN, CALM, 'kept');
    assert.deepEqual(world.differences, []);
    assert.equal(world.relay.forwarded, 2);
    assert.equal(play(HAIRPIN, CALM, 'never-installed').relay.forwarded, 0);
  });

  test('the comparison notices a service that allows too much or too little', () => {
    const forbidden = 4;
    const schedule: readonly Command[] = [
      ...HAIRPIN,
      { wait: 1000, actor: 0, act: { type: 'bind', channel: 0x4002, peer: forbidden } },
    ];
    for (const wrong of [{ perUser: 1 }, { maxChannels: 0 }, { nonceLifetime: 1 }, { isForbidden: () => false }]) {
      const world = new World(CALM, 'kept', { ...RULES, ...wrong });
      world.run(schedule);
      assert.notEqual(world.differences.length, 0, JSON.stringify(wrong));
    }
  });
});

function play(schedule: readonly Command[], weather: NetworkOptions, policy: FlowPolicy): World {
  const world = new World({ ...weather, maxDelay: Math.max(weather.minDelay, weather.maxDelay) }, policy);
  world.run(schedule);
  return world;
}

const HAIRPIN: readonly Command[] = [
  { wait: 0, actor: 0, act: { type: 'allocate', families: [4], lifetime: undefined } },
  { wait: 0, actor: 1, act: { type: 'allocate', families: [4], lifetime: undefined } },
  { wait: 1000, actor: 0, act: { type: 'bind', channel: 0x4000, peer: 7 } },
  { wait: 1000, actor: 1, act: { type: 'bind', channel: 0x4001, peer: 6 } },
  { wait: 1000, actor: 0, act: { type: 'channelData', channel: 0x4000, size: 10 } },
  { wait: 1000, actor: 1, act: { type: 'channelData', channel: 0x4001, size: 20 } },
];
