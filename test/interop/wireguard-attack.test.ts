import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { afterwards } from '../afterwards.ts';
import { PATIENCE_MILLIS } from '../patience.ts';
import { missing } from '../requirements.ts';
import { runChild } from './rig/children.ts';
import { ENGINES, missingFor } from './rig/engines.ts';
import { RELAY_IPV4, type Site, snmpCounter } from './rig/netns.ts';
import { makeWgWorld, secondsUntil } from './rig/wireguard.ts';

const ATTACKER = fileURLToPath(new URL('rig/wireguard-attacker.ts', import.meta.url));
const RATE = 2000;
const SECONDS = 10;
const ECHOES = 200;
/** The defaults of wireguard.unasked: 5 a second with 10 s saved up, and two for each initiation where nothing is proven. */
const BUDGET = (5 * 10 + 5 * (SECONDS + 1)) / 2;

describe('an attacker who writes any source address', { skip: missing('wireguard', 'netns'), concurrency: 2 }, () => {
  for (const engine of ENGINES) {
    for (const registered of [false, true]) {
      const how = `${registered ? 'by registered keys' : 'without registered keys'}, ${engine}`;
      test(`gets nothing, and causes a victim no more than the budget, ${how}`, {
        skip: missingFor(engine),
      }, async (context) => {
        const world = await makeWgWorld({ peers: 2, registered, engine });
        afterwards(context, () => world.stop());
        const [alice, bob] = world.peers;
        assert.ok(alice && bob);
        await world.startRelay();
        assert.notEqual(await secondsUntil(() => alice.reaches(bob), 12), undefined);
        const victim = await world.lan.join('victim', 200);
        const attacker = await world.lan.join('attacker', 201);
        // The victim's address and alice's, without telling the neighbours that they are here now.
        await attacker.run('sysctl', '-qw', 'net.ipv4.conf.all.arp_announce=2', 'net.ipv4.conf.all.arp_ignore=1');
        for (const forged of [victim.ipv4, alice.site.ipv4])
          await attacker.run('ip', 'address', 'add', `${forged}/32`, 'dev', 'lo');
        await victim.run('ping', '-c', '1', RELAY_IPV4);

        const before = await unwanted(victim);
        const sources = [`${victim.ipv4}:5000`, `${alice.site.ipv4}:40000`, `${attacker.ipv4}:6000`];
        const program = [process.execPath, ATTACKER, RELAY_IPV4, String(RATE), String(SECONDS), ...sources];
        const attack = runChild(...attacker.inside(...program), SECONDS * 1000 + PATIENCE_MILLIS);
        // Meanwhile the two talk.
        const ping = ['ping', '-q', '-c', String(ECHOES), '-i', '0.05', bob.inner];
        const echoes = await runChild(...alice.site.inside(...ping), 2 * PATIENCE_MILLIS);
        const { output } = await attack;

        const [, , atAttacker = 0, others, sent = 0] = output.trim().split(' ').map(Number);
        const atVictim = (await unwanted(victim)) - before;
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
        assert.equal(await world.metric('culvert_clients{service="wireguard"}'), 2);
        assert.ok((await world.metric('culvert_drops_total{service="wireguard",reason="unknown-receiver"}')) > 1000);
      });
    }
  }
});

/** Datagrams for a port that nobody listens on: the victim has no business with the relay. */
async function unwanted(site: Site): Promise<number> {
  return snmpCounter(await site.run('cat', '/proc/net/snmp'), 'Udp', 'NoPorts');
}
