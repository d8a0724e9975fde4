import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { missing } from '../requirements.ts';
import { type Browser, startBrowser } from './rig/browser.ts';
import { CALL_PROGRAM, type CallOutcome, type CallRequest } from './rig/call.ts';
import { type Relay, startRelay } from './rig/relay.ts';

const ONE_MEGABYTE = 1024 * 1024;

interface Way {
  readonly protocol: 'udp' | 'tcp' | 'tls';
  readonly url: (relay: Relay) => string;
}

const WAYS: readonly Way[] = [
  { protocol: 'udp', url: ({ port }) => `turn:127.0.0.1:${port}?transport=udp` },
  { protocol: 'tcp', url: ({ port }) => `turn:127.0.0.1:${port}?transport=tcp` },
  { protocol: 'tls', url: ({ tlsPort }) => `turns:localhost:${tlsPort}?transport=tcp` },
];

describe('a relay-only call between two pages of Chromium', { skip: missing('chromium', 'openssl') }, () => {
  let relay: Relay;
  let browser: Browser;
  before(async () => {
    relay = await startRelay();
    browser = await startBrowser(relay.certificate.publicKeyHash);
  });
  after(async () => {
    await browser?.stop();
    await relay?.stop();
  });

  for (const { protocol, url } of WAYS) {
    test(`moves 1 MB intact over ${protocol}`, async () => {
      const { username, password } = relay;
      const outcome = await call({
        url: url(relay),
        username,
        credential: password,
        bytes: ONE_MEGABYTE,
        patience: 10_000,
      });
      assert.equal(outcome.receivedBytes, ONE_MEGABYTE);
      assert.equal(outcome.receivedHash, outcome.sentHash);
      assert.deepEqual(new Set(outcome.gathered), new Set(['relay']));
      const relayed = { local: 'relay', remote: 'relay', relayProtocol: protocol };
      assert.deepEqual(outcome.pairs, [relayed, relayed]);
    });
  }

  test('does not come about with a wrong password', async () => {
    const { port, username } = relay;
    const wrong = { url: `turn:127.0.0.1:${port}`, username, credential: 'wrong', bytes: 1, patience: 3000 };
    await assert.rejects(call(wrong), /"gathered":\[\]/);
  });

  function call(request: CallRequest): Promise<CallOutcome> {
    return browser.page.evaluate<CallOutcome>(`(${CALL_PROGRAM})(${JSON.stringify(request)})`);
  }
});
