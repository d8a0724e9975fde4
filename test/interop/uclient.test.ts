import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { missing } from '../requirements.ts';
import { type EchoPeer, startEchoPeer } from './rig/echo-peer.ts';
import { onEachEngine } from './rig/engines.ts';
import { type Relay, startRelay } from './rig/relay.ts';
import { runUclient, type UclientOutcome } from './rig/uclient.ts';

/** One way to run turnutils_uclient. Without `-c` it makes RTP and RTCP pairs: EVEN-PORT with a reserved port, and RESERVATION-TOKEN. */
interface Run {
  readonly flags: readonly string[];
  /** The peers are the clients themselves, so that no echo peer is named. */
  readonly clientToClient?: true;
  readonly ipv6?: true;
  readonly tls?: true;
  /** Another than the right one. */
  readonly password?: string;
}

interface Mode extends Run {
  readonly name: string;
}

const MODES: readonly Mode[] = [
  { name: 'UDP, pairs of ports', flags: [] },
  { name: 'UDP, single ports', flags: ['-c'] },
  { name: 'UDP, Send indications', flags: ['-s'] },
  { name: 'UDP, padded channels', flags: ['-D', '-l', '101'] },
  { name: 'UDP, unpadded channels of odd length', flags: ['-l', '101'] },
  { name: 'UDP, large messages', flags: ['-l', '1200'] },
  { name: 'UDP, repeated permissions and bindings', flags: ['-G'] },
  { name: 'UDP, dual allocation', flags: ['-Z'] },
  { name: 'UDP, dual allocation, client to client', flags: ['-Z', '-y'], clientToClient: true },
  { name: 'UDP, client to client', flags: ['-y'], clientToClient: true },
  { name: 'UDP, client to client by Send indications', flags: ['-y', '-s'], clientToClient: true },
  { name: 'UDP, several clients', flags: ['-m', '10', '-c'] },
  { name: 'UDP over IPv6 with IPv6 relayed addresses', flags: ['-x'], ipv6: true },
  { name: 'UDP over IPv6, client to client', flags: ['-x', '-y'], ipv6: true, clientToClient: true },
  { name: 'TCP', flags: ['-t'] },
  { name: 'TCP, Send indications', flags: ['-t', '-s'] },
  { name: 'TCP, client to client', flags: ['-t', '-y'], clientToClient: true },
  { name: 'TLS', flags: ['-t', '-S'], tls: true },
  { name: 'TLS, Send indications', flags: ['-t', '-S', '-s'], tls: true },
  { name: 'TLS, client to client', flags: ['-t', '-S', '-y'], tls: true, clientToClient: true },
  {
    name: 'TLS, client to client, many and fast',
    flags: ['-t', '-S', '-y', '-m', '10', '-z', '2'],
    tls: true,
    clientToClient: true,
  },
  { name: 'negative tests', flags: ['-N', '-s'] },
];

const MESSAGES = 10;

// It mostly waits: several at a time cost little and save most of the wall time.
onEachEngine('turnutils_uclient', { needs: ['coturn', 'openssl'], concurrency: 4, together: true }, (engine) => {
  let relay: Relay;
  let peer: EchoPeer;
  before(async () => {
    relay = await startRelay({ engine });
    peer = await startEchoPeer(relay);
  });
  after(async () => {
    await peer?.stop();
    await relay?.stop();
  });

  for (const mode of MODES) {
    test(`${mode.name} loses nothing`, { skip: mode.ipv6 ? missing('ipv6') : false }, async () => {
      assertLossless(await run(mode), relay);
    });
  }

  test('a second channel for the same peer is refused', async () => {
    // With channels, uclient's negative tests end themselves when the server rightly refuses (RFC 8656 §12.2).
    const outcome = await run({ flags: ['-N', '-c'] });
    assert.match(outcome.output, /channel bind: error 400/);
    assert.equal(outcome.received, undefined, outcome.output);
  });

  test('DONT-FRAGMENT is honoured, or refused as an attribute that is not supported', async () => {
    // RFC 8656 §7.2: a server that cannot set DF answers 420; which it is depends on the engine.
    const outcome = await run({ flags: ['-g'] });
    if (outcome.code === 0) assertLossless(outcome, relay);
    else assert.match(outcome.output, /error 420/);
  });

  test('broken requests leave the relay at work', async () => {
    // This mode breaks its own requests at random: it may well hang or lose data by its own doing, with any server.
    await run({ flags: ['-R'] }, 6000);
    assertLossless(await run({ flags: ['-c'] }), relay);
  });

  test('a wrong password gets no allocation', async () => {
    const outcome = await run({ flags: [], password: 'wrong' });
    assert.notEqual(outcome.code, 0, outcome.output);
    assert.match(outcome.output, /Cannot complete Allocation/);
    assert.equal(outcome.sent, undefined, outcome.output);
  });

  function run({ flags, clientToClient, ipv6, tls, password }: Run, timeout?: number): Promise<UclientOutcome> {
    const { network } = relay;
    const family = ipv6 ? 6 : 4;
    const args = [...flags, '-u', relay.username, '-w', password ?? relay.password, '-n', String(MESSAGES)]
      .concat(['-p', String(tls ? relay.tlsPort : relay.port)])
      .concat(clientToClient ? [] : ['-e', network.peer(family), '-r', String(peer.port)]);
    return network.atPeer(() => runUclient([...args, network.engine(family)], timeout));
  }
});

function assertLossless({ code, sent, received, lost, output }: UclientOutcome, relay: Relay): void {
  const evidence = `${output}\n--- the relay said:\n${relay.output().slice(-2000)}`;
  assert.equal(code, 0, evidence);
  assert.ok(sent !== undefined && sent >= MESSAGES, evidence);
  assert.equal(received, sent, evidence);
  assert.equal(lost, 0, evidence);
}
