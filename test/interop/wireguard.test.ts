import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { afterwards } from '../afterwards.ts';
import { PATIENCE_MILLIS } from '../patience.ts';
import { missing } from '../requirements.ts';
import { runChild } from './rig/children.ts';
import { ENGINES, missingFor } from './rig/engines.ts';
import { snmpCounter } from './rig/netns.ts';
import { makeWgWorld, secondsUntil, type WgPeer, type WgWorld } from './rig/wireguard.ts';

/** What peers may need to find each other after something broke: 15 s until they try, one more try after 5 s. */
const PATIENCE = 20;
/** Nobody can know where a peer is that has moved and says nothing: its next keepalive comes within 25 s, and the other tries every 5 s. */
const PATIENCE_WITH_THE_SILENT = 32;

// Each mostly waits for timers of WireGuard: several at a time cost little.
describe('wireguard-go in namespaces', { skip: missing('wireguard', 'netns'), concurrency: 4 }, () => {
  for (const engine of ENGINES) {
    for (const registered of [false, true]) {
      const how = `${registered ? 'by registered keys' : 'without registered keys'}, ${engine}`;
      const skip = missingFor(engine);

      test(`two peers survive a move of either, and every kind of restart of the relay, ${how}`, {
        skip,
      }, async (context) => {
        const world = await makeWgWorld({ peers: 2, registered, engine });
        afterwards(context, () => world.stop());
        const [alice, bob] = world.peers;
        assert.ok(alice && bob);
        await world.startRelay();
        await meet(context, 'first contact', world, alice, bob, 10);

        await move(alice, 60);
        await meet(context, 'the one that speaks has moved', world, alice, bob, PATIENCE);
        // By its port: wireguard-go itself goes on with a source address that is gone, until it tries a handshake.
        await alice.site.run('wg', 'set', alice.device, 'listen-port', '40001');
        await meet(context, 'the one that is spoken to has moved', world, bob, alice, PATIENCE_WITH_THE_SILENT);

        await world.stopRelay({ signal: 'SIGTERM', forget: false });
        await world.startRelay();
        await stillMeet(context, 'relay restarted', world, alice, bob);
        await world.stopRelay({ signal: 'SIGKILL', forget: false });
        await world.startRelay();
        await stillMeet(context, 'relay killed', world, alice, bob);
        await world.stopRelay({ signal: 'SIGKILL', forget: true });
        await world.startRelay();
        await meet(context, 'relay crashed and lost everything', world, alice, bob, PATIENCE);
      });

      test(`five peers reach each other pairwise, also after a restart of the relay and a move of all, ${how}`, {
        skip,
      }, async (context) => {
        const world = await makeWgWorld({ peers: 5, registered, engine });
        afterwards(context, () => world.stop());
        const { peers } = world;
        await world.startRelay();
        const pairs = peers.flatMap((one) =>
          peers.filter((other) => other !== one).map((other) => [one, other] as const),
        );
        const allMeet = async (what: string, patience: number) => {
          const begin = performance.now();
          const elapsed = () => (performance.now() - begin) / 1000;
          // All at once: a peer tries a handshake 15 s after it has begun to speak into the void.
          let left = pairs;
          while (left.length > 0 && elapsed() < patience + 1.5) {
            const reached = await Promise.all(left.map(([one, other]) => one.reaches(other)));
            left = left.filter((_, index) => !reached[index]);
          }
          const names = left.map(([one, other]) => `${one.name} → ${other.name}`);
          assert.deepEqual(names, [], `${what}\n${world.evidence()}`);
          context.diagnostic(`${what}: 20 directed pairs in ${elapsed().toFixed(1)} s`);
        };
        await allMeet('first contact', 20);
        await assertEachGetsItsOwn(context, peers);
        assert.equal(await world.metric('culvert_clients{service="wireguard"}'), 5);
        const way = `service="wireguard",direction="to_peer",datapath="${engine}"`;
        assert.ok((await world.metric(`culvert_packets_total{${way}}`)) >= 600);

        await world.stopRelay({ signal: 'SIGTERM', forget: false });
        await world.startRelay();
        await allMeet('relay restarted', PATIENCE);
        for (const [number, peer] of peers.entries()) await move(peer, 100 + number);
        await allMeet('all have moved', PATIENCE);
        await assertEachGetsItsOwn(context, peers);
      });
    }
  }
});

/**
 * Echoes, another number for each directed pair: what comes to an interface is the requests for it and the replies to its own, and
 * nothing else but keepalives, handshakes and neighbours looking for each other. No reply is lost; one that comes too late for ping, which
 * waits for two round trips, is counted by the kernel.
 */
async function assertEachGetsItsOwn(
  context: { diagnostic(text: string): void },
  peers: readonly WgPeer[],
): Promise<void> {
  const before = await Promise.all(peers.map(({ site }) => site.received()));
  const due = peers.map(() => 0);
  for (const [from, one] of peers.entries()) {
    for (const [to, other] of peers.entries()) {
      if (from === to) continue;
      const echoes = 20 + 10 * from + 3 * to;
      const owed = (await repliesTo(one)) + echoes;
      const ping = ['ping', '-q', '-c', String(echoes), '-i', '0.005', other.inner];
      const { output } = await runChild(...one.site.inside(...ping), PATIENCE_MILLIS);
      const haveCome = await secondsUntil(async () => (await repliesTo(one)) >= owed, 5);
      assert.ok(haveCome !== undefined, `${one.name} to ${other.name}: ${output}`);
      for (const place of [from, to]) due[place] = (due[place] ?? 0) + echoes;
    }
  }
  const now = await Promise.all(peers.map(({ site }) => site.received()));
  const got = now.map((count, place) => count - (before[place] ?? 0));
  context.diagnostic(`packets due ${due.join(', ')}; received ${got.join(', ')}`);
  for (const [place, count] of got.entries()) {
    const owed = due[place] ?? 0;
    // No less than the echoes, which have all come; a device counts a train of datagrams as one.
    assert.ok(count <= owed + BESIDES, `${count} packets at one that is owed ${owed}`);
  }
}

/** Echo replies that have come to a peer. */
async function repliesTo({ site }: WgPeer): Promise<number> {
  return snmpCounter(await site.run('cat', '/proc/net/snmp'), 'Icmp', 'InEchoReps');
}

/** Of four links: keepalives, each 25 s; handshakes; and ARP or neighbour discovery of all in the same network. */
const BESIDES = 40;

async function meet(
  context: { diagnostic(text: string): void },
  what: string,
  world: WgWorld,
  one: WgPeer,
  other: WgPeer,
  patience: number,
): Promise<void> {
  const seconds = await secondsUntil(() => one.reaches(other), patience + 1.5);
  assert.ok(seconds !== undefined, `${what}: ${one.name} does not reach ${other.name}\n${world.evidence()}`);
  if (what !== '') context.diagnostic(`${what}: ${seconds.toFixed(1)} s`);
}

/** In the session that they have: they need no handshake, which would come after 15 s. */
async function stillMeet(
  context: { diagnostic(text: string): void },
  what: string,
  world: WgWorld,
  one: WgPeer,
  other: WgPeer,
): Promise<void> {
  const before = await one.lastHandshake(other.publicKey);
  await meet(context, what, world, one, other, 10);
  assert.equal(await one.lastHandshake(other.publicKey), before, `${what}: a new handshake`);
}

/** Another address on the same wire, as when a phone changes networks. */
async function move({ site }: WgPeer, address: number): Promise<void> {
  for (const prefix of ['10.99.0.', 'fd99::']) {
    const [bits, options] = prefix.includes(':') ? ['64', ['nodad']] : ['16', []];
    await site.run('ip', 'address', 'flush', 'dev', 'eth0', 'to', `${prefix}0/${bits === '64' ? 64 : 16}`);
    await site.run('ip', 'address', 'add', `${prefix}${address}/${bits}`, 'dev', 'eth0', ...options);
  }
}
