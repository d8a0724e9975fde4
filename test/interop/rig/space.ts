import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterwards } from '../../afterwards.ts';
import { temporaryFolder } from '../../control/config/rig.ts';
import { PATIENCE_MILLIS } from '../../patience.ts';
import { type Child, startChild, waitFor } from './children.ts';

const run = promisify(execFile);

/** A network namespace with addresses and names of its own, in which a relay and whom it serves may use any port. It goes with the test. */
export class Space {
  readonly #t: TestContext;
  readonly #namespace: string;

  /** Names are asked of a DNS server at 127.0.0.1, should the test run one. */
  static async make(t: TestContext, name: string, addresses: readonly string[], names: Record<string, string> = {}) {
    const space = new Space(t, `cs${process.pid}-${name}`);
    await space.#make(addresses, names);
    return space;
  }

  private constructor(t: TestContext, namespace: string) {
    this.#t = t;
    this.#namespace = namespace;
  }

  /** With these files beside its configuration. */
  async startRelay(yaml: string, files: Record<string, string> = {}): Promise<Child> {
    const folder = temporaryFolder(this.#t);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const file = join(folder, 'culvert.yaml');
    writeFileSync(file, yaml);
    const environment = { ...process.env, CULVERT_STATE: join(folder, 'state') };
    const relay = this.spawn([LAUNCHER, 'up', '--config', file], environment);
    await waitFor(() => relay.output().includes('engine'), 'the banner', { child: relay });
    return relay;
  }

  /** `culvert probe`, which must find that everything works. */
  async probe(url: string, ...flags: string[]): Promise<void> {
    await run('ip', this.#inside([LAUNCHER, 'probe', url, ...flags])).catch(({ stdout }) => assert.fail(stdout));
  }

  /** A program that says "up" when it serves. */
  async serve(program: string, args: readonly string[]): Promise<void> {
    const child = this.spawn(['-e', program, ...args]);
    await waitFor(() => child.output().includes('up'), 'what serves', { child });
  }

  /** Says hello to a port of 127.0.0.1, and again until an answer comes, for names may not be known at once. */
  async ask(scheme: 'tcp' | 'udp', port: string): Promise<string> {
    return (await run('ip', this.#inside(['-e', ASK, scheme, port]))).stdout;
  }

  spawn(args: readonly string[], env?: NodeJS.ProcessEnv): Child {
    const child = startChild('ip', this.#inside(args), env && { env });
    afterwards(this.#t, () => child.stop());
    return child;
  }

  async #make(addresses: readonly string[], names: Record<string, string>): Promise<void> {
    const namespace = this.#namespace;
    // Bound over /etc for whoever runs in the namespace (ip-netns(8)).
    const files = `/etc/netns/${namespace}`;
    mkdirSync(files, { recursive: true });
    afterwards(this.#t, () => rmSync(files, { recursive: true }));
    const hosts = Object.entries(names).map(([name, address]) => `${address} ${name}\n`);
    writeFileSync(join(files, 'hosts'), `127.0.0.1 localhost\n${hosts.join('')}`);
    writeFileSync(join(files, 'resolv.conf'), 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n');
    await run('ip', ['netns', 'add', namespace]);
    afterwards(this.#t, async () => void (await run('ip', ['netns', 'delete', namespace])));
    await run('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
    for (const address of addresses) await run('ip', ['-n', namespace, 'address', 'add', `${address}/32`, 'dev', 'lo']);
  }

  #inside(args: readonly string[]): string[] {
    return ['netns', 'exec', this.#namespace, process.execPath, ...args];
  }
}

const LAUNCHER = fileURLToPath(new URL('../../../bin/culvert.mjs', import.meta.url));

const ASK = `
  const [scheme, port] = process.argv.slice(1);
  setTimeout(() => process.exit(1), ${PATIENCE_MILLIS});
  const done = (answer) => { process.stdout.write(answer.toString()); process.exit(); };
  const ask = () => {
    if (scheme === 'udp') {
      const socket = require('dgram').createSocket('udp4');
      socket.on('message', done).send('hello', port, '127.0.0.1');
      setTimeout(ask, 500);
    } else {
      const socket = require('net').connect(port, '127.0.0.1', () => socket.write('hello'));
      socket.on('data', done).on('error', () => {}).on('close', () => setTimeout(ask, 300));
    }
  };
  ask();`;
