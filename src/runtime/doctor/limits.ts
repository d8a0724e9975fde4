import type { Config } from '../../control/config/schema.ts';
import { listenerBuffers } from '../../engine/portable/buffers.ts';
import { about, type Finding } from './finding.ts';
import type { PlannedSocket } from './sockets.ts';

export interface LimitReadings {
  readonly config: Config;
  readonly sockets: readonly PlannedSocket[];
  /** Families in which TURN relays. */
  readonly relayFamilies: number;
  /** Bytes, of net.core; undefined where /proc does not say. */
  readonly rmemMax: number | undefined;
  readonly wmemMax: number | undefined;
  /** Whether sockets get more than these: CAP_NET_ADMIN, with an engine that makes use of it. */
  readonly mayExceed: boolean;
  readonly openFiles: number | undefined;
  readonly processors: number;
  /** Of the cgroup, in processors. */
  readonly cpuQuota: number | undefined;
}

export function limitFindings(readings: LimitReadings): Finding[] {
  return [...buffers(readings), ...descriptors(readings), cpu(readings)];
}

function buffers({ config, rmemMax, wmemMax, mayExceed }: LimitReadings): Finding[] {
  const wanted = [listenerBuffers(), listenerBuffers(config.pair?.buffers)];
  return (
    [
      ['rmem_max', rmemMax, Math.max(...wanted.map(({ receive }) => receive))],
      ['wmem_max', wmemMax, Math.max(...wanted.map(({ send }) => send))],
    ] as const
  ).flatMap(([name, most, bytes]) => {
    if (most === undefined) return [];
    if (most >= bytes) return [limit(name, 'ok', `${name} ${most} bytes, ${bytes} are wanted`)];
    if (mayExceed) return [limit(name, 'ok', `${name} ${most} bytes, which CAP_NET_ADMIN goes beyond`)];
    const what = `${name} is ${most} bytes, and listeners want ${bytes}: bursts are lost earlier`;
    return [limit(name, 'note', what, `sysctl -w net.core.${name}=${bytes}`)];
  });
}

function descriptors({ openFiles, ...readings }: LimitReadings): Finding[] {
  if (openFiles === undefined) return [];
  const { least, most } = descriptorsWanted(readings);
  const fix = `ulimit -n ${most}, LimitNOFILE=${most} in the systemd unit, docker run --ulimit nofile=${most}`;
  if (openFiles < least) {
    return [limit('open-files', 'problem', `${openFiles} open files, and the listeners alone want ${least}`, fix)];
  }
  if (openFiles < most) {
    return [limit('open-files', 'note', `${openFiles} open files; the configuration allows for ${most}`, fix)];
  }
  return [limit('open-files', 'ok', `${openFiles} open files, ${most} at most are wanted`)];
}

/** What opens when nobody comes, and when as many come as the configuration lets in. */
function descriptorsWanted({
  config,
  sockets,
  relayFamilies,
}: Pick<LimitReadings, 'config' | 'sockets' | 'relayFamilies'>) {
  const { turn, forward, limits } = config;
  const least = OWN + sockets.length;
  let most = least;
  if (turn !== undefined) {
    const ports = (turn.relay.ports.max - turn.relay.ports.min + 1) * Math.max(1, relayFamilies);
    most += turn.quota.total === 0 ? ports : Math.min(turn.quota.total, ports);
    most += limits.connections * turn.listen.filter(({ transport }) => transport !== 'udp').length;
  }
  for (const { listen, limits: each } of forward ?? []) {
    most += each.connections * (listen.every(({ transport }) => transport === 'udp') ? 1 : 2);
  }
  return { least, most };
}

function cpu({ processors, cpuQuota }: LimitReadings): Finding {
  if (cpuQuota === undefined || cpuQuota >= processors) return limit('cpu', 'ok', count(processors));
  const what = `${count(processors)}, of which the cgroup allows ${Number(cpuQuota.toFixed(2))}`;
  if (cpuQuota >= 1) return limit('cpu', 'ok', what);
  return limit(
    'cpu',
    'note',
    `${what}: packets wait while it is used up`,
    'CPUQuota=100% or more; docker run --cpus 1',
  );
}

function count(processors: number): string {
  return `${processors} processor${processors === 1 ? '' : 's'}`;
}

const limit = about('limits');
/** Pipes, epolls, logs, workers and files of the process itself (measured: 40). */
const OWN = 64;
