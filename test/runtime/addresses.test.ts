import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { bestAddress, isLocal, ownAddresses } from '../../src/runtime/addresses.ts';
import { turnUrls } from '../../src/runtime/ice-servers.ts';
import { planTurn, reachableHost, type TurnPlan, tellPlan } from '../../src/runtime/plan.ts';
import { configOf, temporaryFolder } from '../control/config/rig.ts';

function machine(...addresses: string[]) {
  return ownAddresses({ eth0: addresses.map((address) => ({ address })) });
}

describe('the address under which others reach this machine', () => {
  const cases: [addresses: string[], ipv4: string | undefined, ipv6: string | undefined][] = [
    [['127.0.0.1', '::1'], '127.0.0.1', '::1'],
    [['127.0.0.1'], '127.0.0.1', undefined],
    [['127.0.0.1', '::1', 'fe80::1%eth0'], '127.0.0.1', '::1'],
    [['127.0.0.1', '::1', '10.0.0.5'], '10.0.0.5', undefined],
    [['127.0.0.1', '::1', '10.0.0.5', 'fe80::1'], '10.0.0.5', undefined],
    [['10.0.0.5', '198.51.100.7', 'fd00::2', '2001:DB8:0::7'], '198.51.100.7', '2001:db8::7'],
    [['100.64.0.1', '169.254.1.1', 'fd00::2'], '100.64.0.1', 'fd00::2'],
    [[], undefined, undefined],
  ];
  for (const [addresses, ipv4, ipv6] of cases) {
    test(addresses.join(' ') || 'none', () => {
      const own = machine(...addresses);
      assert.deepEqual([bestAddress(own, 4), bestAddress(own, 6)], [ipv4, ipv6]);
    });
  }

  test('all of 127/8 is local', () => {
    assert.ok(isLocal(machine('127.0.0.1'), '127.0.0.2'));
    assert.ok(!isLocal(machine('127.0.0.1'), '192.0.2.1'));
  });
});

describe('plan', () => {
  const dual = machine('127.0.0.1', '::1', '192.0.2.2', '2001:db8::2', 'fe80::2');

  test('by default every address is served and the best one relays', async (context) => {
    const config = await configOf(temporaryFolder(context), {});
    const plan = planTurn(config, true, dual);
    assert.equal(plan.listeners.length, 4);
    assert.deepEqual(
      plan.listeners.map(({ optional }) => optional),
      [false, false, true, true],
    );
    assert.deepEqual(plan.relay, {
      ipv4: { advertised: '192.0.2.2', bind: '192.0.2.2' },
      ipv6: { advertised: '2001:db8::2', bind: '2001:db8::2' },
    });
    assert.deepEqual([plan.notes, plan.hints], [[], []]);
    assert.ok(plan.ownAddresses.includes('fe80::2'));
    assert.deepEqual(turnUrls(config, plan), [
      'turn:192.0.2.2:3478?transport=udp',
      'turn:192.0.2.2:3478?transport=tcp',
      'turn:[2001:db8::2]:3478?transport=udp',
      'turn:[2001:db8::2]:3478?transport=tcp',
    ]);
  });

  test('without IPv6 its default listeners are left out, but never those that were asked for', async (context) => {
    const folder = temporaryFolder(context);
    const own = machine('127.0.0.1', '192.0.2.2');
    const byDefault = planTurn(await configOf(folder, {}), true, own);
    assert.deepEqual(
      byDefault.listeners.map(({ local }) => local.address),
      ['0.0.0.0', '0.0.0.0'],
    );
    assert.equal(byDefault.relay.ipv6, undefined);
    assert.match(byDefault.notes[0] ?? '', /no IPv6/);
    const asked = planTurn(await configOf(folder, { set: ['turn.listen=udp://[::]:3478'] }), false, own);
    assert.equal(asked.listeners.length, 1);
    assert.equal(asked.listeners[0]?.optional, false);
  });

  test('behind a static NAT the advertised address is told and the wildcard bound', async (context) => {
    const config = await configOf(temporaryFolder(context), { set: ['public.ipv4=203.0.113.9'] });
    const plan = planTurn(config, true, dual);
    assert.deepEqual(plan.relay.ipv4, { advertised: '203.0.113.9', bind: '0.0.0.0' });
    assert.match(plan.notes[0] ?? '', /static NAT/);
    assert.ok(plan.ownAddresses.includes('203.0.113.9'));
    const [listener] = plan.listeners;
    assert.ok(listener);
    assert.equal(reachableHost(listener, plan, config), '203.0.113.9');
  });

  test('turn.relay wins over public, and a single listening address over the best', async (context) => {
    const folder = temporaryFolder(context);
    const relay = await configOf(folder, { set: ['public.ipv4=203.0.113.9', 'turn.relay.ipv4=192.0.2.2'] });
    assert.deepEqual(planTurn(relay, true, dual).relay.ipv4, { advertised: '192.0.2.2', bind: '192.0.2.2' });
    const loopback = await configOf(folder, { set: ['turn.listen=udp://127.0.0.1:3478,tcp://[::]:3478'] });
    const plan = planTurn(loopback, false, dual);
    assert.equal(plan.relay.ipv4?.advertised, '127.0.0.1');
    assert.equal(plan.relay.ipv6?.advertised, '2001:db8::2');
  });

  test('a private address is told with a hint, unless it was asked for or is all that is meant', async (context) => {
    const folder = temporaryFolder(context);
    const own = machine('127.0.0.1', '10.0.0.5', '2001:db8::2');
    const told = async (...set: string[]) => linesOf(planTurn(await configOf(folder, { set }), false, own)).join();
    assert.match(await told(), /^warn 10\.0\.0\.5 is a private address: .*public\.ipv4/);
    assert.equal(await told('turn.relay.ipv4=10.0.0.5'), '');
    assert.equal(await told('turn.listen=udp://127.0.0.1:3478'), '');
  });

  test('a machine without any address is warned that it relays nothing', async (context) => {
    const plan = planTurn(await configOf(temporaryFolder(context), {}), false, machine('fe80::1'));
    const [line = '', ...others] = linesOf(plan);
    assert.match(line, /^warn no address found .*: every allocation will be refused \(set public\.ipv4/);
    assert.deepEqual(others, []);
  });

  test('what was decided and needs nobody is no warning', async (context) => {
    const config = await configOf(temporaryFolder(context), { set: ['public.ipv4=203.0.113.9'] });
    assert.match(
      linesOf(planTurn(config, true, dual)).join(),
      /^info 203\.0\.113\.9 is not an address of this machine/,
    );
  });
});

/** What the log gets, each line behind its level. */
function linesOf(plan: TurnPlan): string[] {
  const lines: string[] = [];
  const at = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
  tellPlan(plan, { info: at('info'), warn: at('warn') });
  return lines;
}
