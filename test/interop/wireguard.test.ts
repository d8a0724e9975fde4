import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { missing } from '../requirements.ts';
import { makeWgWorld, secondsUntil, type WgPeer, type WgWorld } from './rig/wireguard.ts';

/** What peers may need to find each other after something broke: 15 s until they try, one more try after 5 s. */
const PATIENCE = 20;
/** Nobody can know where a peer is that has moved and says nothing: its next keepalive comes within 25 s, and the other tries every 5 s. */
const PATIENCE_WITH_THE_SILENT = 32;

for (const registered of [false, true]) {
  const mode = registered ? 'by registered keys' : 'without registered keys';
  describe(`wireguard-go in namespaces, ${mode}`, { skip: missing('wireguard', 'netns') }, () => {
    let world: WgWorld;
    afterEach(async () => world?.stop());

    test('two peers survive a move of either, and every kind of restart of the relay', async (context) => {
      world = await makeWgWorld(2, registered);
      const [alice, bob] = world.peers;
      assert.ok(alice && bob);
      await world.startRelay();
      await meet(context, 'first contact', world, alice, bob, 10);

      move(alice, 60);
      await meet(context, 'the one that speaks has moved', world, alice, bob, PATIENCE);
      // By its port: wireguard-go itself goes on with a source address that is gone, until it tries a handshake.
      alice.site.run('wg', 'set', alice.device, 'listen-port', '40001');
      await meet(context, 'the one that is spoken to has moved', world, bob, alice, PATIENCE_WITH_THE_SILENT);

      await world.stopRelay({ signal: 'SIGTERM', forget: false });
      await world.startRelay();
      await meet(context, 'relay restarted', world, alice, bob, 2);
      await world.stopRelay({ signal: 'SIGKILL', forget: true });
      await world.startRelay();
      await meet(context, 'relay crashed and lost everything', world, alice, bob, PATIENCE);
    });

    test('five peers reach each other pairwise, and each gets what is sent to it', async (context) => {
      world = await makeWgWorld(5, registered);
      const { peers } = world;
      await world.startRelay();
      const pairs = peers.flatMap((one) =>
        peers.filter((other) => other !== one).map((other) => [one, other] as const),
      );
      const begin = performance.now();
      for (const [one, other] of pairs) await meet(context, '', world, one, other, 15);
      context.diagnostic(`20 directed pairs in ${((performance.now() - begin) / 1000).toFixed(1)} s`);

      const [alice, bob, ...others] = peers;
      assert.ok(alice && bob);
      const before = peers.map(({ site }) => site.received());
      const said = alice.site.run('ping', '-q', '-c', '300', '-i', '0.005', bob.inner);
      assert.match(said, /300 received/);
      // At most: a device counts a train of datagrams as one packet.
      const got = peers.map(({ site }, index) => site.received() - (before[index] ?? 0));
      context.diagnostic(`300 echoes from peer0 to peer1; packets received: ${got.join(', ')}`);
      for (const count of got.slice(0, 2)) assert.ok(count < 330, `${count}`);
      for (const count of got.slice(2)) assert.ok(count < 30, `${count} packets at one of ${others.length} others`);
      assert.equal(world.metric('culvert_clients{service="wireguard"}'), 5);
      const relayed = (datapath: string) =>
        world.metric(`culvert_packets_total{service="wireguard",direction="to_peer",datapath="${datapath}"}`) >= 600;
      assert.ok(relayed('batched') || relayed('portable'));
    });
  });
}

async function meet(
  context: { diagnostic(text: string): void },
  what: string,
  world: WgWorld,
  one: WgPeer,
  other: WgPeer,
  patience: number,
): Promise<void> {
  const seconds = await secondsUntil(() => one.reaches(other), patience + 1.5);
  assert.ok(seconds !== undefined, `${what}: ${one.name} does not reach ${other.name}\n${world.output().slice(-3000)}`);
  if (what !== '') context.diagnostic(`${what}: ${seconds.toFixed(1)} s`);
}

/** Another address on the same wire, as when a phone changes networks. */
function move({ site }: WgPeer, address: number): void {
  for (const prefix of ['10.99.0.', 'fd99::']) {
    const [bits, options] = prefix.includes(':') ? ['64', ['nodad']] : ['16', []];
    site.run('ip', 'address', 'flush', 'dev', 'eth0', 'to', `${prefix}0/${bits === '64' ? 64 : 16}`);
    site.run('ip', 'address', 'add', `${prefix}${address}/${bits}`, 'dev', 'eth0', ...options);
  }
}
