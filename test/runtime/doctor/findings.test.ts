import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Obstacle } from '../../../src/engine/batched/obstacle.ts';
import type { XdpObstacle } from '../../../src/engine/xdp/obstacle.ts';
import { ownAddresses } from '../../../src/runtime/addresses.ts';
import { addressFindings } from '../../../src/runtime/doctor/addresses.ts';
import { clockFindings } from '../../../src/runtime/doctor/clock.ts';
import { engineFindings, engineReport } from '../../../src/runtime/doctor/engine.ts';
import { stateFindings, tlsFindings } from '../../../src/runtime/doctor/files.ts';
import type { Finding } from '../../../src/runtime/doctor/finding.ts';
import { interfaceFindings } from '../../../src/runtime/doctor/interfaces.ts';
import { kernelFindings } from '../../../src/runtime/doctor/kernel.ts';
import { type LimitReadings, limitFindings } from '../../../src/runtime/doctor/limits.ts';
import { portFindings } from '../../../src/runtime/doctor/ports.ts';
import { rightsFindings } from '../../../src/runtime/doctor/rights.ts';
import { plannedSockets } from '../../../src/runtime/doctor/sockets.ts';
import { planEngine } from '../../../src/runtime/engine-plan.ts';
import { planTurn } from '../../../src/runtime/plan.ts';
import type { Capability } from '../../../src/sys/capabilities.ts';
import type { Feature } from '../../../src/sys/features.ts';
import { configOf, temporaryFolder } from '../../control/config/rig.ts';
import { missing } from '../../requirements.ts';

const brief = (findings: readonly Finding[]): string[] => findings.map(({ name, level }) => `${name} ${level}`);

describe('engine', () => {
  const noFfi: Obstacle = { reason: 'no-ffi', detail: 'no koffi' };
  const noRights: XdpObstacle = { reason: 'no-rights', detail: 'without CAP_BPF', fix: 'give it' };
  const cases: [
    wanted: string,
    batched: Obstacle | undefined,
    xdp: XdpObstacle | undefined,
    runs: string | null,
    told: string[],
  ][] = [
    ['auto', undefined, undefined, 'xdp', ['engine ok']],
    ['auto', noFfi, undefined, 'xdp', ['engine ok', 'batched note']],
    ['auto', undefined, noRights, 'batched', ['engine ok', 'xdp note']],
    ['auto', noFfi, noRights, 'portable', ['engine ok', 'xdp note', 'batched note']],
    ['portable', undefined, noRights, 'portable', ['engine ok', 'xdp note', 'batched note']],
    ['batched', noFfi, noRights, null, ['engine problem', 'xdp note']],
    ['batched', undefined, noRights, 'batched', ['engine ok', 'xdp note']],
    ['xdp', undefined, undefined, 'xdp', ['engine ok']],
    ['xdp', noFfi, undefined, 'xdp', ['engine ok', 'batched note']],
    ['xdp', undefined, noRights, null, ['engine problem', 'batched note']],
  ];
  for (const [wanted, batched, xdp, runs, told] of cases) {
    test(`${wanted}, batched: ${batched?.reason ?? 'can'}, xdp: ${xdp?.reason ?? 'can'}`, async (context) => {
      const config = await configOf(temporaryFolder(context), { engine: wanted });
      const plan = planEngine(config, { batched: () => batched, xdp: () => xdp });
      const report = engineReport({ wanted: config.engine, plan, batched, xdp });
      const findings = engineFindings(report);
      assert.equal(report.runs, runs);
      assert.deepEqual(brief(findings), told);
      for (const { level, fix } of findings) assert.equal(fix === undefined, level === 'ok');
    });
  }

  test('the reasons are those of the probes, and so are the fixes', async (context) => {
    const config = await configOf(temporaryFolder(context), { engine: 'xdp' });
    const plan = planEngine(config, { batched: () => noFfi, xdp: () => noRights });
    const report = engineReport({ wanted: 'xdp', plan, batched: noFfi, xdp: noRights });
    assert.deepEqual(
      report.better.map(({ engine, reason, detail }) => [engine, reason, detail]),
      [
        ['xdp', 'no-rights', 'without CAP_BPF'],
        ['batched', 'no-ffi', 'no koffi'],
      ],
    );
    assert.deepEqual(engineFindings(report)[0], {
      subject: 'engine',
      name: 'engine',
      level: 'problem',
      what: 'xdp does not run here: without CAP_BPF',
      fix: 'give it; or engine: auto',
    });
  });
});

describe('kernel', () => {
  const yes: Feature = { supported: true };
  const no: Feature = { supported: false, needs: 'Linux 5.4', detail: 'EPERM' };
  const given = {
    release: '6.1.0-18-amd64',
    libc: { ok: true, functions: {} } as const,
    features: {
      recvmmsg: yes,
      sendmmsg: yes,
      'dont-fragment': yes,
      'io-uring': yes,
      'udp-gro': yes,
      'udp-segment': yes,
    },
    off: new Set<never>(),
    libbpf: { ok: true, functions: { libbpf_version_string: () => 'v1.1' } } as const,
    bpfFileSystem: '/sys/fs/bpf',
  };
  const notes = (changes: Partial<Parameters<typeof kernelFindings>[0]>): string[] =>
    kernelFindings({ ...given, ...changes })
      .filter(({ level }) => level !== 'ok')
      .map(({ what, fix }) => `${what} → ${fix}`);

  test('all is there', () => assert.deepEqual(notes({}), []));
  test('an old kernel', () =>
    assert.match(notes({ release: '5.10.0' }).join(), /5\.10\.0 is older than 5\.18.*→ run Linux 5\.18/));
  test('a sandbox forbids io_uring', () => {
    const features = { ...given.features, 'io-uring': no };
    assert.match(notes({ features }).join(), /^io-uring: no \(EPERM\) → Linux 5\.4 or newer; .*seccomp/);
    assert.deepEqual(notes({ features, off: new Set(['io-uring'] as const) }), []);
  });
  test('no libbpf', () => {
    const libbpf = { ok: false, reason: 'no-library', detail: 'libbpf.so.1: no such file' } as const;
    assert.deepEqual(notes({ libbpf }), ['no libbpf: libbpf.so.1: no such file → apt-get install libbpf1']);
  });
  test('without foreign functions nothing is claimed of the kernel', () => {
    const libc = { ok: false, reason: 'no-ffi', detail: 'no koffi' } as const;
    assert.match(notes({ libc }).join(), /^nothing can be asked of the kernel: no koffi → npm install koffi/);
    assert.doesNotMatch(JSON.stringify(kernelFindings({ ...given, libc })), /gro/);
  });
  test('no bpf file system', () =>
    assert.match(notes({ bpfFileSystem: undefined }).join(), /→ mount -t bpf bpf .*nsenter --net=/));
});

describe('rights', () => {
  const cases: [
    held: Capability[],
    lacking: string[],
    firstFree: number,
    ports: number[],
    told: string[],
    fix: RegExp,
  ][] = [
    [['CAP_NET_BIND_SERVICE'], [], 1024, [443], ['xdp ok', 'low-ports ok'], /^$/],
    [[], ['CAP_BPF'], 1024, [3478], ['xdp note', 'low-ports ok'], /--cap-add BPF,/],
    [[], [], 1024, [443, 3478, 80], ['xdp ok', 'low-ports note'], /ip_unprivileged_port_start=80$/],
    [[], [], 80, [443], ['xdp ok', 'low-ports ok'], /^$/],
    [[], [], 0, [1], ['xdp ok', 'low-ports ok'], /^$/],
  ];
  for (const [held, lackingForXdp, firstFreePort, ports, told, fix] of cases) {
    test(`${held.join() || 'none'}, ports ${ports.join()} from ${firstFreePort}`, () => {
      const findings = rightsFindings({ held: new Set(held), lackingForXdp, firstFreePort, ports });
      assert.deepEqual(brief(findings), told);
      assert.match(findings.flatMap((finding) => finding.fix ?? []).join(), fix);
    });
  }
});

test('interfaces: native, generic with the reason, a foreign program', () => {
  const one = (obstacle: string | undefined, program: number | undefined, wantsXdp: boolean, ours = false) =>
    interfaceFindings({ interfaces: [{ name: 'eth0', obstacle, program }], wantsXdp, ours });
  assert.deepEqual(brief(one(undefined, undefined, true)), ['eth0 ok']);
  const [generic] = one('the driver of eth0 has no XDP', undefined, true);
  assert.equal(generic?.level, 'note');
  assert.match(generic?.what ?? '', /generic, not native: the driver of eth0 has no XDP/);
  assert.deepEqual(brief(one(undefined, 7, true)), ['eth0 ok', 'eth0-program problem']);
  assert.deepEqual(brief(one(undefined, 7, false)), ['eth0 ok', 'eth0-program ok']);
  assert.deepEqual(brief(one(undefined, 7, true, true)), ['eth0 ok']);
});

describe('limits', () => {
  const plenty = {
    sockets: [],
    relayFamilies: 1,
    rmemMax: 4_194_304,
    wmemMax: 4_194_304,
    mayExceed: false,
    openFiles: 1_000_000,
    processors: 4,
    cpuQuota: undefined,
  };
  const cases: [changes: Partial<LimitReadings>, set: string[], told: RegExp][] = [
    [{}, [], /^$/],
    [{ rmemMax: 212_992 }, [], /^rmem_max note sysctl -w net\.core\.rmem_max=4194304$/],
    [{ rmemMax: 212_992, mayExceed: true }, [], /^$/],
    [{ wmemMax: 5_000_000 }, ['pair.buffers.send=8M'], /^wmem_max note sysctl -w net\.core\.wmem_max=8000000$/],
    [{ openFiles: 20_000 }, [], /^open-files note ulimit -n 36448/],
    [{ openFiles: 20_000 }, ['turn.quota.total=1000', 'limits.connections=100'], /^$/],
    [{ openFiles: 32 }, [], /^open-files problem /],
    [{ openFiles: undefined, rmemMax: undefined, wmemMax: undefined }, [], /^$/],
    [{ cpuQuota: 1.5 }, [], /^$/],
    [{ cpuQuota: 0.5 }, [], /^cpu note CPUQuota=/],
  ];
  for (const [changes, set, told] of cases) {
    test(`${JSON.stringify(changes)} ${set.join(' ')}`, async (context) => {
      const config = await configOf(temporaryFolder(context), { set });
      const findings = limitFindings({ ...plenty, config, ...changes }).filter(({ level }) => level !== 'ok');
      assert.match(findings.map(({ name, level, fix }) => `${name} ${level} ${fix}`).join('\n'), told);
    });
  }
});

describe('addresses', () => {
  const cases: [addresses: string[], set: string[], told: string[]][] = [
    [['198.51.100.7'], [], ['own ok', 'relay ok']],
    [['10.0.0.5'], [], ['own ok', 'relay ok', 'public note']],
    [['10.0.0.5'], ['public.ipv4=203.0.113.1'], ['own ok', 'relay ok']],
    [['fe80::1'], [], ['own ok', 'public problem']],
  ];
  for (const [addresses, set, told] of cases) {
    test(`${addresses.join()} ${set.join()}`, async (context) => {
      const config = await configOf(temporaryFolder(context), { set });
      const own = ownAddresses({ eth0: addresses.map((address) => ({ address })) });
      const findings = addressFindings(config, planTurn(config, true, own), own);
      assert.deepEqual(brief(findings), told);
      for (const { level, fix } of findings) if (level !== 'ok') assert.match(fix ?? '', /^set public\.ipv4/);
    });
  }
});

test('sockets: each once, shared ones too, and every port of a range', async (context) => {
  const config = await configOf(temporaryFolder(context), {
    yaml: 'turn: { listen: [udp://0.0.0.0:3478, tcp://0.0.0.0:3478] }\npair: { listen: [udp://0.0.0.0:3478, udp://0.0.0.0:0] }\nforward: [{ name: a, listen: [tcp://127.0.0.1:5000-5001], to: [tcp://x:1-2] }]\nadmin: { listen: off }\n',
  });
  const own = ownAddresses({ eth0: [{ address: '192.0.2.2' }] });
  const defaults = { turn: false, wireguard: false, pair: false };
  const sockets = plannedSockets(config, planTurn(config, false, own), defaults, own);
  assert.deepEqual(
    sockets.map(({ kind, local }) => `${kind} ${local.port}`),
    ['udp 3478', 'tcp 3478', 'tcp 5000', 'tcp 5001'],
  );
});

test('ports of a relay whose descriptors this user may not see are not called taken', () => {
  const local = { family: 4, address: '0.0.0.0', port: 3478 } as const;
  const socket = { key: 'turn.listen', transport: 'udp', kind: 'udp', local, optional: false } as const;
  const failure = { failure: 'in-use', detail: 'EADDRINUSE' } as const;
  const found = (running: number | undefined, pid: number | undefined): string[] => {
    const holder = pid === undefined ? undefined : { pid, name: 'other' };
    return brief(portFindings([{ socket, failure, holder }], running));
  };
  assert.deepEqual(found(7, 7), ['running note']);
  assert.deepEqual(found(7, undefined), ['running note']);
  assert.deepEqual(found(7, 8), ['running note', 'udp-3478 problem']);
  assert.deepEqual(found(undefined, undefined), ['udp-3478 problem']);
});

describe('files', () => {
  test('a state folder that is still to be made, one that cannot be, and secrets', (context) => {
    const folder = temporaryFolder(context);
    assert.match(stateFindings(join(folder, 'a/b'))[0]?.what ?? '', /still to be made/);
    writeFileSync(join(folder, 'file'), '');
    const [blocked] = stateFindings(join(folder, 'file/state'));
    assert.equal(blocked?.level, 'note');
    assert.match(blocked?.what ?? '', /ENOTDIR/);

    const state = join(folder, 'state');
    mkdirSync(state);
    writeFileSync(join(state, 'secrets.json'), 'garbage', { mode: 0o600 });
    assert.deepEqual(brief(stateFindings(state)), ['state problem']);
    chmodSync(join(state, 'secrets.json'), 0o644);
    assert.match(stateFindings(state)[0]?.fix ?? '', /^chmod 600 /);
  });

  test('a certificate by the days it has left', { skip: missing('openssl') }, (context) => {
    const folder = temporaryFolder(context);
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    const args = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '30',
      '-subj',
      '/CN=a',
    ];
    execFileSync('openssl', [...args, '-keyout', key, '-out', cert], { stdio: 'ignore' });
    chmodSync(key, 0o600);
    const after = (days: number): string[] => brief(tlsFindings({ cert, key }, Date.now() + days * 86_400_000));
    assert.deepEqual(after(0), ['certificate ok']);
    assert.deepEqual(after(20), ['certificate note']);
    assert.deepEqual(after(31), ['certificate problem']);
    chmodSync(key, 0o644);
    assert.deepEqual(after(0), ['certificate ok', 'key note']);
    assert.deepEqual(tlsFindings(undefined, 0), []);
  });
});

test('clock', () => {
  const now = Date.UTC(2027, 0, 1);
  assert.deepEqual(brief(clockFindings(now, true)), ['time ok']);
  assert.deepEqual(brief(clockFindings(now, undefined)), ['time ok']);
  assert.deepEqual(brief(clockFindings(now, false)), ['time note']);
  assert.deepEqual(brief(clockFindings(0, true)), ['time problem']);
});
