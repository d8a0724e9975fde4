import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { enableCompileCache } from 'node:module';
import { connect, type Socket } from 'node:net';
import { after, describe, type TestContext, test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { createBatchedEngine } from '../../src/engine/batched/batched.ts';
import type { EngineSink } from '../../src/engine/engine.ts';
import { IdSource } from '../../src/net/ids.ts';
import { parsePrefix } from '../../src/net/prefix.ts';
import { drainAll } from '../../src/runtime/draining.ts';
import { Driver } from '../../src/runtime/driver.ts';
import { ForwardHost } from '../../src/runtime/forward-host.ts';
import { standalone } from '../../src/service/common.ts';
import { openDescriptors } from '../../src/sys/fd.ts';
import { afterwards } from '../afterwards.ts';
import { until } from '../engine/conformance/rig.ts';
import { descriptors } from '../engine/descriptors.ts';
import { missing } from '../requirements.ts';
import { echoServer } from './echo-server.ts';
import { settings } from './forward-settings.ts';

enableCompileCache();

describe('clients of a forward that workers carry, while everything changes', { skip: missing('ffi') }, () => {
  test('nobody is unlisted, no place is lost, no descriptor is left', async (t) => {
    const relay = await Relay.start(t);
    const before = descriptors().sockets;
    const crowd = new Crowd(t);
    const changes = [
      () => relay.replace(),
      () => relay.rule('deny: ["198.51.100.0/24"]'),
      () => relay.block(OTHER),
      () => relay.replace(),
      () => relay.unblock(),
      () => relay.rule(''),
      () => relay.kill(),
      () => relay.replace(),
    ];
    for (let n = 0; n < ROUNDS * changes.length; n++) {
      // Some are there, some are being accepted, some connected, some are on their way when it happens.
      const first = crowd.come(relay.port, n);
      if (n % 3 > 0) await first[0]?.echoed;
      const second = crowd.come(relay.port, n + 1);
      if (n % 3 > 1) await second[0]?.echoed;
      await Promise.all([
        changes[n % changes.length]?.(),
        ...crowd.come(relay.port, n + 2).map(({ settled }) => settled),
      ]);
      await Promise.all([...first, ...second].map(({ settled }) => settled));
    }
    await until(() => same(crowd.ports(), relay.ports()), 'the relay to know of exactly those who are there');
    assert.ok(crowd.ports().length > 0, 'somebody is there');

    await relay.block(LOOPBACK);
    await until(() => relay.ports().length === 0 && crowd.ports().length === 0, 'the end of all');
    const { connections, forwards } = relay.host.service.stats();
    assert.deepEqual([connections, forwards[0]?.inUse, forwards[0]?.sessions], [0, 0, 0]);
    await until(() => descriptors().sockets <= before, 'their descriptors to be closed');

    await relay.unblock();
    await relay.fill(crowd);
    await relay.end(crowd);
  });

  after(() => assert.deepEqual(openDescriptors(), []));
});

/** A relay with one forward, to an upstream of the test's own that sends back what comes. */
class Relay {
  readonly host: ForwardHost;
  readonly #t: TestContext;
  readonly #driver: Driver;
  readonly #blocks: ReturnType<typeof standalone>['blocks'];
  readonly #workers: Worker[] = [];
  readonly #upstream: number;
  #more = '';
  #limit = LIMIT;

  static async start(t: TestContext): Promise<Relay> {
    const relay = new Relay(t, (await echoServer(t)).port);
    await relay.#apply();
    // The first client is asked about, and then nobody.
    const first = connect({ port: relay.port, host: '127.0.0.1' });
    await until(() => relay.ports().length === 1, 'the first client');
    first.destroy();
    await until(() => relay.ports().length === 0, 'his end');
    return relay;
  }

  private constructor(t: TestContext, upstream: number) {
    this.#t = t;
    this.#upstream = upstream;
    const note = (worker: Worker): unknown => this.#workers.push(worker);
    process.on('worker', note);
    afterwards(t, () => process.removeListener('worker', note));
    const ids = new IdSource();
    const common = standalone((length) => randomBytes(length));
    this.#blocks = common.blocks;
    const createEngine = (sink: EngineSink) =>
      createBatchedEngine({ sink, ids, workers: 2, seed: 1, onFault: () => {} });
    this.#driver = new Driver({ ids, createEngine, onEvent: () => {} });
    afterwards(t, () => this.#driver.stop());
    this.host = new ForwardHost({ forward: [], driver: this.#driver, ids, common });
  }

  get port(): number {
    return this.host.forwards()[0]?.local.port ?? 0;
  }

  /** Of clients that it knows of. */
  ports(): number[] {
    return [...this.host.service.clients()].map(({ endpoint }) => endpoint.port);
  }

  /** A reload that opens another listener in the place of the one that is there. */
  async replace(): Promise<void> {
    this.#limit += 1;
    await this.#apply();
  }

  /** One that changes a rule. */
  async rule(more: string): Promise<void> {
    this.#more = more;
    await this.#apply();
  }

  async block(prefix: string): Promise<void> {
    this.#blocks.configure([parsePrefix(prefix) ?? assert.fail()]);
    this.#applyBlocks();
  }

  async unblock(): Promise<void> {
    this.#blocks.configure([]);
    this.#applyBlocks();
  }

  async kill(): Promise<void> {
    await this.#workers.shift()?.terminate();
    await until(() => this.#workers.length === 2, 'another worker');
  }

  /** As many as may be there are, and not one more. */
  async fill(crowd: Crowd): Promise<void> {
    await Promise.all(Array.from({ length: this.#limit }, () => crowd.stay(this.port).settled));
    assert.equal(this.ports().length, this.#limit);
    await crowd.stay(this.port).settled;
    assert.equal(crowd.ports().length, this.#limit);
  }

  /** A drain waits for the last of them, and for those of whom nobody has heard. */
  async end(crowd: Crowd): Promise<void> {
    let ended = false;
    const log = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, fatal() {} };
    const drained = drainAll(this.#driver, [{ service: this.host.service }], log, 1).then(() => (ended = true));
    await this.#driver.engine.allTold?.();
    assert.equal(ended, false);
    crowd.leave();
    await drained;
  }

  async #apply(): Promise<void> {
    const [listen, to] = ['tcp://127.0.0.1:0', `tcp://127.0.0.1:${this.#upstream}`];
    const limits = `limits: { connections: ${this.#limit} }`;
    const entry = [`name: test, listen: "${listen}", to: "${to}"`, limits, this.#more].filter(Boolean).join(', ');
    assert.deepEqual(await this.host.apply(await settings(this.#t, [`{ ${entry} }`])), []);
  }

  #applyBlocks(): void {
    this.#driver.run(this.host.service, (now) => this.host.service.applyBlocks(now));
  }
}

interface Client {
  /** It has heard from the upstream, or is gone. */
  readonly echoed: Promise<void>;
  /** It does no more by itself. */
  readonly settled: Promise<void>;
}

/** Clients who come from all over the loopback network, and each behaves in his way. */
class Crowd {
  readonly #t: TestContext;
  readonly #there = new Set<Socket>();

  constructor(t: TestContext) {
    this.#t = t;
  }

  /** Of those whose connection is open. */
  ports(): number[] {
    return [...this.#there].map(({ localPort }) => localPort ?? 0);
  }

  /** A few of each kind. */
  come(port: number, n: number): Client[] {
    return ['stays', 'leaves', 'resets', 'ends', 'says nothing'].map((kind, at) =>
      this.#client(port, (n + at) % 4 === 0 ? '127.0.0.2' : '127.0.0.1', kind),
    );
  }

  stay(port: number): Client {
    return this.#client(port, '127.0.0.1', 'stays');
  }

  leave(): void {
    for (const socket of this.#there) socket.destroy();
  }

  #client(port: number, localAddress: string, kind: string): Client {
    const socket = connect({ port, host: '127.0.0.1', localAddress, allowHalfOpen: true });
    afterwards(this.#t, () => socket.destroy());
    const echo = Promise.withResolvers<void>();
    const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => {});
    socket.on('connect', () => this.#there.add(socket));
    socket.on('close', () => this.#there.delete(socket));
    socket.on('end', () => socket.destroy());
    socket.on('data', () => echo.resolve());
    void gone.then(echo.resolve);
    if (kind === 'says nothing') {
      socket.once('connect', () => socket.destroy());
      return { echoed: gone, settled: gone };
    }
    socket.write(kind);
    const settled = echo.promise.then(() => {
      if (kind === 'stays') return undefined;
      if (kind === 'leaves') socket.destroy();
      else if (kind === 'resets') socket.resetAndDestroy();
      else socket.end();
      return gone;
    });
    return { echoed: echo.promise, settled };
  }
}

function same(a: readonly number[], b: readonly number[]): boolean {
  return JSON.stringify([...a].sort()) === JSON.stringify([...b].sort());
}

const ROUNDS = 3;
/** Far more than come, so that half of it is given without a question. */
const LIMIT = 200;
const OTHER = '127.0.0.2/32';
const LOOPBACK = '127.0.0.0/8';
