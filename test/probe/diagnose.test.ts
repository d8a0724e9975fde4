import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPrivate } from '../../src/probe/addresses.ts';
import { diagnose } from '../../src/probe/diagnose.ts';
import { fromSystemError, ProbeError, type ProbeFault } from '../../src/probe/failure.ts';
import { formatStep } from '../../src/probe/report.ts';
import { newSession, type Session } from '../../src/probe/session.ts';

const PUBLIC = { family: 4, address: '198.51.100.7', port: 3478 } as const;

test('data that does not come back through a private relayed address blames the public address of the server', () => {
  const sentence = diagnose('echo channel', new ProbeError('no-data', 'nothing came'), session('10.0.0.5'));
  assert.match(
    sentence,
    /10\.0\.0\.5:50000 is private while the server is at 198\.51\.100\.7: its public address is not set/,
  );
});

test('data that does not come back through a public relayed address blames the firewall and names the ports', () => {
  const sentence = diagnose('echo channel', new ProbeError('no-data', 'nothing came'), session('198.51.100.7'));
  assert.match(sentence, /firewall blocks the relayed ports \(here UDP 50000\)/);
});

test('every fault has a sentence of its own, on one line', () => {
  const faults: readonly ProbeFault[] = [
    ...(['name-not-found', 'no-such-family', 'no-answer', 'refused', 'unreachable', 'closed', 'tls-name'] as const),
    ...([
      'tls-expired',
      'tls-untrusted',
      'tls-failed',
      'integrity',
      'bid-down',
      'no-credentials',
      'bad-response',
    ] as const),
    ...(['no-data', 'large-lost', 'corrupt', 'lossy', 'network'] as const),
  ];
  const sentences = faults.map((fault) => diagnose('connect', new ProbeError(fault, 'x'), session('198.51.100.7')));
  assert.equal(new Set(sentences).size, faults.length);
  assert.ok(
    sentences.every((sentence) => /^connect failed: x; likely cause: [^\n]{10,}\.$/.test(sentence)),
    sentences.join('\n'),
  );
});

test('what the system reports becomes a fault with words', () => {
  const error = fromSystemError(Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' }));
  assert.deepEqual([error.code, error.message], ['refused', 'connection refused (ECONNREFUSED)']);
  assert.equal(fromSystemError(new Error('odd')).code, 'network');
  assert.equal(fromSystemError(error), error);
});

test('private addresses are told from public ones', () => {
  const privates = ['10.1.2.3', '172.31.0.1', '192.168.1.1', '100.64.0.1', '127.0.0.1', '169.254.1.1'];
  for (const address of privates) assert.ok(isPrivate({ family: 4, address, port: 1 }), address);
  for (const address of ['::1', 'fe80::1', 'fd00::1']) assert.ok(isPrivate({ family: 6, address, port: 1 }), address);
  for (const address of ['8.8.8.8', '172.32.0.1', '100.128.0.1']) {
    assert.ok(!isPrivate({ family: 4, address, port: 1 }), address);
  }
  assert.ok(!isPrivate({ family: 6, address: '2600::1', port: 1 }));
});

test('text of a server cannot steer a terminal', () => {
  const line = formatStep({ name: 'challenge', ok: true, millis: 1, detail: 'realm "\u001b[2J\r\n\u202Eevil"' });
  assert.equal(line, ' ✔ challenge         1.0 ms  realm "\uFFFD[2J\uFFFD\uFFFD\uFFFDevil"');
});

function session(relayed: string): Session {
  const target = { service: 'turn', transport: 'udp', host: 'a.example', port: 3478, credentials: undefined } as const;
  const options = {
    family: undefined,
    insecure: false,
    timeout: 1000,
    credentials: undefined,
    localCredentials: false,
  };
  const made = newSession(target, options);
  made.server = PUBLIC;
  made.allocations.push({ relayed: { family: 4, address: relayed, port: 50_000 }, mapped: undefined, lifetime: 600 });
  return made;
}
