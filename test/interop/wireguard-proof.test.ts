import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { afterwards } from '../afterwards.ts';
import { missing } from '../requirements.ts';
import { makeWgWorld, secondsUntil } from './rig/wireguard.ts';

/** The next keepalive to the relay comes within 25 s, and the next try of a handshake 5 s later. */
const PATIENCE_AFTER_A_MOVE = 32;

describe('wireguard-go with the relay as one more peer', {
  skip: missing('wireguard', 'netns'),
  concurrency: true,
}, () => {
  test('where proofs are required, is relayed from its handshake on, after a move and after a restart', async (context) => {
    const world = await makeWgWorld({ peers: 2, registered: true });
    afterwards(context, () => world.stop());
    const [alice, bob] = world.peers;
    assert.ok(alice && bob);
    const settings = { proof: { required: true } };
    await world.startRelay(settings);
    assert.equal(await secondsUntil(() => alice.reaches(bob), 8), undefined);
    assert.ok((await world.metric('culvert_drops_total{service="wireguard",reason="unproven"}')) > 0);
    assert.equal(await world.metric('culvert_clients{service="wireguard"}'), 0);

    const key = world.relayKey();
    for (const peer of world.peers) await peer.addRelay(key);
    const met = await secondsUntil(() => alice.reaches(bob), 12);
    assert.ok(met !== undefined, world.evidence());
    for (const peer of world.peers) assert.ok((await peer.lastHandshake(key)) > 0);
    assert.equal(await world.metric('culvert_clients{service="wireguard"}'), 2);

    await alice.site.run('wg', 'set', alice.device, 'listen-port', '40001');
    const moved = await secondsUntil(() => alice.reaches(bob), PATIENCE_AFTER_A_MOVE);
    assert.ok(moved !== undefined, world.evidence());

    await world.stopRelay({ signal: 'SIGTERM', forget: false });
    await world.startRelay(settings);
    assert.equal(world.relayKey(), key);
    const restarted = await secondsUntil(() => alice.reaches(bob), 3);
    assert.ok(restarted !== undefined, world.evidence());

    // A new handshake with the relay that has forgotten the session.
    await bob.site.run('wg', 'set', bob.device, 'peer', key, 'remove');
    await bob.addRelay(key);
    assert.notEqual(await secondsUntil(async () => (await bob.lastHandshake(key)) > 0, 6), undefined);
    assert.equal(await world.metric('culvert_drops_total{service="wireguard",reason="failed-proof"}'), 0);
    context.diagnostic(
      `met ${met.toFixed(1)} s after the relay was added; moved ${moved.toFixed(1)} s; restarted ${restarted.toFixed(1)} s`,
    );
  });

  test('a relay under load wants a cookie, and gets it', async (context) => {
    const world = await makeWgWorld({ peers: 3, registered: true });
    afterwards(context, () => world.stop());
    // One handshake a second from those that show none, one from those that do.
    await world.startRelay({ proof: { agreementsPerSecond: 10 } });
    const key = world.relayKey();
    const begin = performance.now();
    for (const peer of world.peers) await peer.addRelay(key);
    const all = async () => {
      const times = await Promise.all(world.peers.map((peer) => peer.lastHandshake(key)));
      return times.every((time) => time > 0);
    };
    assert.notEqual(await secondsUntil(all, 20), undefined, world.evidence());
    const challenged = await world.metric('culvert_drops_total{service="wireguard",reason="challenged"}');
    assert.ok(challenged > 0);
    context.diagnostic(
      `three handshakes in ${((performance.now() - begin) / 1000).toFixed(1)} s, ${challenged} cookies`,
    );
  });
});
