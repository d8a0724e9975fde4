import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { missing } from '../requirements.ts';
import { runChild } from './rig/children.ts';
import { HUB_IPV4, type Site } from './rig/netns.ts';
import { makeWgWorld, secondsUntil } from './rig/wireguard.ts';

const ATTACKER = fileURLToPath(new URL('rig/wireguard-attacker.ts', import.meta.url));
const RATE = 2000;
const SECONDS = 10;
const ECHOES = 200;
/** The defaults of wireguard.unasked: 5 a second with 10 s saved up, and two for each initiation where nothing is proven. */
const BUDGET = (5 * 10 + 5 * (SECONDS + 1)) / 2;

for (const registered of [false, true]) {
  const mode = registered ? 'by registered keys' : 'without registered keys';
  describe(`an attacker who writes any source address, ${mode}`, { skip: missing('wireguard', 'netns') }, () => {
    test('gets nothing, and causes a victim no more than the budget', async (context) => {
      const world = await makeWgWorld(2, registered);
      try {
        const [alice, bob] = world.peers;
        assert.ok(alice && bob);
        await world.startRelay();
        assert.notEqual(await secondsUntil(() => alice.reaches(bob), 12), undefined);
        const victim = world.lan.join('victim', 200);
        const attacker = world.lan.join('attacker', 201);
        // The victim's address and alice's, without telling the neighbours that they are here now.
        attacker.run('sysctl', '-qw', 'net.ipv4.conf.all.arp_announce=2', 'net.ipv4.conf.all.arp_ignore=1');
        for (const forged of [victim.ipv4, alice.site.ipv4])
          attacker.run('ip', 'address', 'add', `${forged}/32`, 'dev', 'lo');
        victim.run('ping', '-c', '1', HUB_IPV4);

        const before = unwanted(victim);
        const sources = [`${victim.ipv4}:5000`, `${alice.site.ipv4}:40000`, `${attacker.ipv4}:6000`];
        const args = [
          'netns',
          'exec',
          attacker.namespace,
          process.execPath,
          ATTACKER,
          HUB_IPV4,
          String(RATE),
          String(SECONDS),
        ];
        const attack = runChild('ip', [...args, ...sources], (SECONDS + 20) * 1000);
        // Meanwhile the two talk, and begin new handshakes every second.
        const echoes = await runChild(
          'ip',
          [...['netns', 'exec', alice.site.namespace, 'ping', '-q', '-c', String(ECHOES), '-i', '0.05', bob.inner]],
          60_000,
        );
        const { output } = await attack;

        const [, , atAttacker = 0, others, sent = 0] = output.trim().split(' ').map(Number);
        const atVictim = unwanted(victim) - before;
        const received = Number(/(\d+) received/.exec(echoes.output)?.[1]);
        context.diagnostic(
          `${sent} forged packets: ${atVictim} at the victim, ${atAttacker} at the attacker (budget ${BUDGET})`,
        );
        context.diagnostic(`${received} of ${ECHOES} echoes between the two meanwhile`);
        assert.ok(sent > RATE * SECONDS * 0.5, output);
        assert.ok(atVictim <= BUDGET, `${atVictim} datagrams at the victim`);
        assert.ok(atAttacker <= BUDGET, `${atAttacker} at the attacker`);
        assert.equal(others, 0, 'nothing but initiations');
        // A busy machine may lose one or another.
        assert.ok(received >= ECHOES * 0.95, echoes.output);
        assert.equal(world.metric('culvert_clients{service="wireguard"}'), 2);
        assert.ok(world.metric('culvert_drops_total{service="wireguard",reason="unknown-receiver"}') > 1000);
      } finally {
        await world.stop();
      }
    });
  });
}

/** Datagrams for a port that nobody listens on: the victim has no business with the relay. */
function unwanted(site: Site): number {
  const counters = site
    .run('cat', '/proc/net/snmp')
    .split('\n')
    .filter((line) => line.startsWith('Udp:'));
  const [names, values] = counters.map((line) => line.split(' '));
  return Number(values?.[names?.indexOf('NoPorts') ?? -1]);
}
