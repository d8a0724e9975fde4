import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configOf, faultsOf, temporaryFolder } from './rig.ts';

const entry = (parts: string) => `forward:\n  - { name: web, ${parts} }\n`;

test('the shortest forward has every default', async (context) => {
  const yaml = entry('listen: "tcp://0.0.0.0:80", to: "tcp://App.Example:8080"');
  const { forward, turn } = await configOf(temporaryFolder(context), { yaml });
  assert.equal(turn, undefined);
  assert.deepEqual(forward?.[0], {
    name: 'web',
    listen: [{ transport: 'tcp', family: 4, address: '0.0.0.0', ports: { min: 80, max: 80 } }],
    to: [{ transport: 'tcp', host: 'app.example', ports: { min: 8080, max: 8080 } }],
    balance: 'roundRobin',
    connectTimeout: 10_000,
    keepAlive: { idle: 60_000, interval: 10_000, count: 6 },
    proxyIn: [],
    proxyOut: 'off',
    allow: [],
    deny: [],
    limits: { connections: 4096, perSource: 0, ratePerSource: 0 },
    transparent: false,
    drain: 0,
  });
});

test('the client may be the source with each engine that can; families of names and of headers are known later', async (context) => {
  const places = ['to: "tcp://10.0.0.1:80"', 'to: "tcp://app.example:80"', 'to: "tcp://[::1]:80", proxyIn: "::/0"'];
  for (const [n, engine] of ['auto', 'batched', 'xdp'].entries()) {
    const yaml = `engine: ${engine}\n${entry(`listen: "tcp://0.0.0.0:80", ${places[n]}, transparent: true`)}`;
    const { forward } = await configOf(temporaryFolder(context), { yaml });
    assert.equal(forward?.[0]?.transparent, true);
  }
});

test('a forward may come by the environment', async (context) => {
  const CULVERT_FORWARD = '[{"name":"web","listen":"udp://[::]:53","to":["udp://[2001:DB8::1]:53"]}]';
  const { forward } = await configOf(temporaryFolder(context), { environment: { CULVERT_FORWARD } });
  assert.deepEqual(forward?.[0]?.to, [{ transport: 'udp', host: '2001:db8::1', ports: { min: 53, max: 53 } }]);
});

test('server names in place of upstreams', async (context) => {
  const yaml = entry(
    'listen: "tcp://0.0.0.0:443", sni: { A.Example: "tcp://a:1", "*.example": ["tcp://b:1"], default: "unix:///c" }',
  );
  const { forward } = await configOf(temporaryFolder(context), { yaml });
  assert.equal(forward?.[0]?.to, undefined);
  assert.deepEqual(Object.keys(forward?.[0]?.sni ?? {}), ['a.example', '*.example', 'default']);
});

for (const [name, yaml, ...faults] of [
  [
    'no name',
    'forward:\n  - listen: tcp://0.0.0.0:80\n    to: tcp://a:80',
    /^config\.yaml:2: forward\[0\]\.name: is missing/,
  ],
  [
    'unknown keys of two forwards, each with its line',
    'forward:\n  - { name: a, listen: "tcp://0.0.0.0:1", to: "tcp://a:1",\n      conectTimeout: 1s }\n  - name: b\n    lissen: tcp://0.0.0.0:2',
    /^config\.yaml:3: forward\[0\]\.conectTimeout: .*connectTimeout/,
    /^config\.yaml:4: forward\[1\]\.listen: is missing/,
    /^config\.yaml:4: forward\[1\]\.to: is missing/,
    /^config\.yaml:5: forward\[1\]\.lissen: .*listen/,
  ],
  [
    'a name as listener',
    entry('listen: "tcp://host:80", to: "tcp://a:80"'),
    /:2: forward\[0\]\.listen\[0\]: .*addresses, not names/,
  ],
  ['half an address', entry('listen: "tcp://0.0.0.0:80", to: "tcp://10.0.0:80"'), /to\[0\]: .*neither an address nor/],
  ['no port', entry('listen: "tcp://0.0.0.0:80", to: "tcp://a"'), /to\[0\]: .*host and port/],
  ['a relative path', entry('listen: "tcp://0.0.0.0:80", to: "unix://a.sock"'), /to\[0\]: .*absolute path/],
  ['TCP to UDP', entry('listen: "tcp://0.0.0.0:80", to: "udp://a:80"'), /forward\[0\]\.to: leads from UDP/],
  [
    'ranges that differ',
    entry('listen: "tcp://0.0.0.0:80-89", to: "tcp://a:80-82"'),
    /to\[0\]: has 3 ports, listen has 10/,
  ],
  [
    'upstreams that are the forward itself',
    'forward:\n  - { name: a, listen: "tcp://0.0.0.0:80-89", to: ["tcp://b:1", "tcp://127.0.0.1:85"] }\n  - { name: b, listen: "udp://[::1]:53", to: "udp://[::1]:53" }\n  - { name: c, listen: "tcp://[::]:443", sni: { default: "tcp://localhost:443" } }\n  - { name: d, listen: "unix:///run/d", to: "unix:///run/d" }\n  - { name: e, listen: "tcp://[::]:53", to: "tcp://127.0.0.1:53" }',
    /:2: forward\[0\]\.to: leads back to where the forward listens/,
    /:3: forward\[1\]\.to: leads back/,
    /:4: forward\[2\]\.sni: leads back/,
    /:5: forward\[3\]\.to: leads back/,
  ],
  [
    'v1 over UDP',
    entry('listen: "udp://0.0.0.0:80", to: "udp://a:80", proxyOut: v1'),
    /proxyOut: version 1 knows no UDP/,
  ],
  [
    'a UDP check without a request',
    entry('listen: "udp://0.0.0.0:80", to: "udp://a:80", health: {}'),
    /health\.send: is missing/,
  ],
  [
    'a request over TCP',
    entry('listen: "tcp://0.0.0.0:80", to: "tcp://a:80", health: { send: x }'),
    /health\.send: is for UDP/,
  ],
  [
    'odd hex',
    entry('listen: "udp://0.0.0.0:80", to: "udp://a:80", health: { send: "hex:123" }'),
    /pairs of hexadecimal/,
  ],
  [
    'one name twice, one port twice',
    'forward:\n  - { name: a, listen: "tcp://0.0.0.0:80-89", to: "tcp://a:1" }\n  - { name: a, listen: "tcp://127.0.0.1:85", to: "tcp://a:1" }',
    /:3: forward\[1\]\.listen\[0\]: TCP port 85 .* is taken by forward\[0\]\.listen\[0\]/,
    /:3: forward\[1\]\.name: forward\[0\] is called a already/,
  ],
  [
    'a port of turn',
    `turn: { listen: "udp://0.0.0.0:53" }\n${entry('listen: "udp://0.0.0.0:53", to: "udp://a:53"')}`,
    /taken by turn\.listen\[0\]/,
  ],
  [
    'server names beside upstreams, over UDP, and one that is none',
    entry('listen: "udp://0.0.0.0:443", to: "udp://a:1", sni: { a.example: "udp://a:1", b.example: [] }'),
    /forward\[0\]\.to: cannot stand beside sni/,
    /forward\[0\]\.sni: is for TLS over TCP/,
    /forward\[0\]\.sni\.b\.example: is empty/,
  ],
  [
    'a server name that is none',
    entry('listen: "tcp://0.0.0.0:443", sni: { "a.*.example": "tcp://a:1" }'),
    /sni.*is neither a host name/,
  ],
  ['neither upstreams nor server names', entry('listen: "tcp://0.0.0.0:443"'), /forward\[0\]\.to: is missing/],
  [
    'the client as the source, with the one engine that cannot',
    `engine: portable\n${entry('listen: "tcp://0.0.0.0:80", to: "tcp://a:80", transparent: true')}`,
    /:3: forward\[0\]\.transparent: is beyond the portable engine \(write engine: auto or batched; or proxyOut: v2 /,
  ],
  [
    'the client as the source, from a unix socket',
    entry('listen: "unix:///a.sock", to: "tcp://a:80", transparent: true'),
    /forward\[0\]\.transparent: is for addresses, which a unix socket has not/,
  ],
  [
    'the client as the source, towards a unix socket that a server name leads to',
    entry('listen: "tcp://0.0.0.0:80", sni: { default: "unix:///a.sock" }, transparent: true'),
    /forward\[0\]\.transparent: is for addresses, which a unix socket has not/,
  ],
  [
    'the client as the source, of another family than every upstream',
    entry('listen: ["udp://0.0.0.0:80", "udp://[::]:80"], to: "udp://[2001:db8::1]:80", transparent: true'),
    /forward\[0\]\.transparent: leads nowhere from IPv4: .*\(add an upstream of IPv4\)/,
  ],
  ['text', 'forward: web', /^config\.yaml:1: forward: must be a list of forwards/],
] as const) {
  test(`fault: ${name}`, async (context) => {
    const found = await faultsOf(temporaryFolder(context), { yaml });
    assert.equal(found.length, faults.length, found.join(' // '));
    for (const [index, pattern] of faults.entries()) assert.match(found[index] ?? '', pattern);
  });
}
