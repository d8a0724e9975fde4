import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PATIENCE_MILLIS } from '../patience.ts';
import { type Browser, startBrowser } from './rig/browser.ts';
import { CALL_PROGRAM, type CallOutcome, type CallRequest } from './rig/call.ts';
import { onEachEngine } from './rig/engines.ts';
import { type Relay, startRelay } from './rig/relay.ts';

const ONE_MEGABYTE = 1024 * 1024;

interface Way {
  readonly protocol: 'udp' | 'tcp' | 'tls';
  readonly url: (relay: Relay) => string;
}

const WAYS: readonly Way[] = [
  { protocol: 'udp', url: ({ network, port }) => `turn:${network.engine(4)}:${port}?transport=udp` },
  { protocol: 'tcp', url: ({ network, port }) => `turn:${network.engine(4)}:${port}?transport=tcp` },
  { protocol: 'tls', url: ({ network, tlsPort }) => `turns:${network.engine(4)}:${tlsPort}?transport=tcp` },
];

onEachEngine('a relay-only call between two pages of Chromium', { needs: ['chromium', 'openssl'] }, (engine) => {
  let relay: Relay;
  let browser: Browser;
  before(async () => {
    relay = await startRelay({ engine });
    browser = await startBrowser(relay);
  });
  after(async () => {
    try {
      await browser?.stop();
    } finally {
      await relay?.stop();
    }
  });

  for (const { protocol, url } of WAYS) {
    test(`moves 1 MB intact over ${protocol}`, async () => {
      const { username, password } = relay;
      const outcome = await call({
        url: url(relay),
        username,
        credential: password,
        bytes: ONE_MEGABYTE,
        patience: PATIENCE_MILLIS,
      });
      assert.equal(outcome.receivedBytes, ONE_MEGABYTE);
      assert.equal(outcome.receivedHash, outcome.sentHash);
      assert.deepEqual(new Set(outcome.gathered), new Set(['relay']));
      const relayed = { local: 'relay', remote: 'relay', relayProtocol: protocol };
      assert.deepEqual(outcome.pairs, [relayed, relayed]);
    });
  }

  test('does not come about with a wrong password', async () => {
    const { network, port, username } = relay;
    const wrong = {
      url: `turn:${network.engine(4)}:${port}`,
      username,
      credential: 'wrong',
      bytes: 1,
      patience: 3000,
    };
    await assert.rejects(call(wrong), /"gathered":\[\]/);
  });

  function call(request: CallRequest): Promise<CallOutcome> {
    return browser.page.evaluate<CallOutcome>(`(${CALL_PROGRAM})(${JSON.stringify(request)})`);
  }
});
