import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Arena, relayCommand } from '../lib/arena.ts';
import { start } from '../lib/child.ts';
import { culvertVersion, startCulvert } from '../lib/culvert.ts';
import { FIXED_CLIENT_PORT, PEER_PORT } from '../lib/load.ts';
import { root } from '../lib/paths.ts';
import { type Contestant, type Relay, said, whenReady } from '../lib/relay.ts';
import { mustHave, nextPort, serving, startProgram, type Transport } from './processes.ts';

/** Sessions and idle connections must not end while they are measured, nor pile up over the rounds. */
const IDLE_SECONDS = 20;
const MAX_FLOWS = 64;

/** A section `forward` with one entry. */
export function culvertForward(name: string, engine: string, transport: Transport): Contestant {
  return {
    name,
    version: () => culvertVersion(engine),
    start: (arena) => {
      const port = nextPort();
      const { relayFront, peer } = arena.topology;
      const child = startCulvert(arena, engine, {
        forward: [
          {
            name: 'bench',
            listen: `${transport}://${relayFront}:${port}`,
            to: `${transport}://${peer}:${PEER_PORT}`,
            limits: { connections: 100_000 },
            ...(transport === 'udp' ? { idle: `${IDLE_SECONDS}s` } : {}),
          },
        ],
      });
      return serving(arena, name, child, port, transport === 'tcp' ? 'tcp' : 'forward');
    },
  };
}

/** A process for each connection or session. `buffer`: bytes; socat's own are 8 KiB. */
export function socat(name: string, transport: Transport, buffer?: number): Contestant {
  const kind = transport === 'tcp' ? 'TCP4' : 'UDP4';
  return {
    name,
    version: () =>
      `${/socat version (\S+)/.exec(said('socat', '-V'))?.[1] ?? '?'}${buffer === undefined ? ', defaults' : `, -b ${buffer}`}`,
    start: (arena) => {
      mustHave('socat', 'socat');
      const port = nextPort();
      const { relayFront, peer } = arena.topology;
      const options = transport === 'tcp' ? 'fork,reuseaddr,backlog=4096' : 'fork,reuseaddr';
      const command = [
        'socat',
        ...(buffer === undefined ? [] : ['-b', String(buffer)]),
        ...(transport === 'udp' ? ['-T', String(IDLE_SECONDS)] : []),
        `${kind}-LISTEN:${port},bind=${relayFront},${options}`,
        `${kind}:${peer}:${PEER_PORT}`,
      ];
      return startProgram(arena, name, command, port, transport);
    },
  };
}

/** One thread. `splice`: lines that ask for it; splice-auto alone leaves the choice to HAProxy. */
export function haproxy(name: string, ...splice: string[]): Contestant {
  return {
    name,
    version: () => `${/version (\S+)/.exec(said('haproxy', '-v'))?.[1] ?? '?'}, one thread, ${splice.join(', ')}`,
    start: (arena) => {
      mustHave('haproxy', 'haproxy');
      const port = nextPort();
      const { relayFront, peer } = arena.topology;
      const file = fileIn(arena, 'haproxy.cfg', [
        'global',
        '  nbthread 1',
        '  maxconn 7500',
        'defaults',
        '  mode tcp',
        '  timeout connect 5s',
        '  timeout client 10m',
        '  timeout server 10m',
        ...splice.map((line) => `  option ${line}`),
        'listen bench',
        `  bind ${relayFront}:${port} backlog 4096`,
        `  server upstream ${peer}:${PEER_PORT}`,
      ]);
      return startProgram(arena, name, ['haproxy', '-db', '-f', file], port, 'tcp');
    },
  };
}

/** One worker; the module that Debian ships apart. */
export function nginx(transport: Transport): Contestant {
  return {
    name: 'nginx',
    version: () => `${/nginx\/(\S+)/.exec(said('sh', '-c', 'nginx -v 2>&1'))?.[1] ?? '?'}, stream, one worker`,
    start: (arena) => {
      mustHave('nginx', 'nginx libnginx-mod-stream');
      const port = nextPort();
      const { relayFront, peer } = arena.topology;
      const file = fileIn(arena, 'nginx.conf', [
        'load_module /usr/lib/nginx/modules/ngx_stream_module.so;',
        'daemon off; worker_processes 1; worker_rlimit_nofile 65536;',
        `pid ${join(arena.scratch, `nginx-${port}.pid`)}; error_log stderr error;`,
        'events { worker_connections 40000; }',
        'stream { server {',
        `  listen ${relayFront}:${port}${transport === 'udp' ? ' udp' : ' backlog=4096'};`,
        `  proxy_pass ${peer}:${PEER_PORT}; proxy_timeout ${transport === 'udp' ? IDLE_SECONDS : 600}s;`,
        '} }',
      ]);
      return startProgram(arena, 'nginx', ['nginx', '-c', file, '-p', arena.scratch], port, transport);
    },
  };
}

/** node:dgram without anything: one port for the clients, which it knows by port, one for each towards the peer. */
export function bareForwarder(): Contestant {
  return {
    name: 'bare',
    version: () => `node:dgram, Node ${process.version}`,
    start: async (arena): Promise<Relay> => {
      const [front, back] = [nextPort(), 12_000];
      const { relayFront, relayBack, peer } = arena.topology;
      const program = join(root, 'bench/contestants/bare-forwarder.ts');
      const where = [relayFront, front, relayBack, back, arena.topology.client(0), FIXED_CLIENT_PORT, peer, PEER_PORT];
      const command = [process.execPath, ...arena.nodeFlags, program, ...where.map(String), String(MAX_FLOWS)];
      const child = start(relayCommand(arena, command));
      await whenReady('bare', child, child.says('ready'));
      return {
        protocol: 'ports',
        front: `${relayFront}:${front}`,
        back: `${relayBack}:${back}`,
        pid: child.pid,
        stop: () => child.stop(),
      };
    },
  };
}

/** No relay: the load's two sides talk to each other on their one core, without a network device between. */
export function direct(name: string): Contestant {
  return {
    name,
    version: () => 'no relay: client and peer connected to each other, on the one core of the load',
    start: async ({ topology }) => ({
      protocol: 'self',
      front: `${topology.peer}:${PEER_PORT}`,
      pid: 0,
      stop: async () => undefined,
    }),
  };
}

export function fileIn(arena: Arena, name: string, lines: readonly string[]): string {
  const file = join(mkdtempSync(join(arena.scratch, 'contestant-')), name);
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}
