import assert from 'node:assert/strict';
import { enableCompileCache } from 'node:module';
import { after, describe, test } from 'node:test';
import { createBatchedEngine } from '../../../src/engine/batched/batched.ts';
import type { Family } from '../../../src/net/address.ts';
import { Arena } from '../../../src/sys/arena.ts';
import { checked } from '../../../src/sys/errno.ts';
import { Fd, openDescriptors } from '../../../src/sys/fd.ts';
import { libc } from '../../../src/sys/libc.ts';
import { missing } from '../../requirements.ts';
import { type ConformanceOptions, type Network, Rig, until } from '../conformance/rig.ts';
import { enterNamespace, ip, OtherSide } from '../xdp/namespace.ts';

enableCompileCache();

describe('the DF bit', { skip: missing('ffi', 'netns', 'ipv6') }, () => {
  let other: OtherSide | undefined;
  after(() => {
    other?.close();
    assert.deepEqual(openDescriptors(), []);
  });

  /** A link whose packets have 1500 bytes at most. */
  function options(): ConformanceOptions {
    if (other === undefined) {
      enterNamespace();
      other = new OtherSide();
      other.connect('near', 'far');
      ip('addr', 'add', `${NEAR[4]}/24`, 'dev', 'near');
      ip('addr', 'add', `${NEAR[6]}/64`, 'dev', 'near', 'nodad');
      other.visit(() => {
        ip('addr', 'add', `${FAR[4]}/24`, 'dev', 'far');
        ip('addr', 'add', `${FAR[6]}/64`, 'dev', 'far', 'nodad');
      });
    }
    const side = other;
    const network: Network = {
      engine: (family) => NEAR[family],
      peer: (family) => FAR[family],
      atPeer: (open) => side.visit(open),
    };
    return { name: 'batched', create: (parts) => createBatchedEngine({ ...parts, seed: 1 }), skips: {}, network };
  }

  test('is there where it is asked for, and nowhere else', async (t) => {
    const rig = await Rig.start(t, options());
    assert.equal(rig.engine.capabilities.dontFragment, true);
    const port = await rig.openPort();
    const peer = await rig.peer(t);
    using heads = new Heads(other ?? assert.fail());
    for (const dontFragment of [false, true, false]) {
      rig.engine.send(port.id, peer.local, Buffer.from('x'), dontFragment);
      assert.equal(await heads.nextDontFragment(peer.local.port), dontFragment);
    }
  });

  for (const family of [4, 6] as const) {
    test(`IPv${family}: with it nothing is cut, without it nothing is lost`, async (t) => {
      const rig = await Rig.start(t, options());
      const port = await rig.openPort(family);
      const peer = await rig.peer(t, family);
      const fits = 1500 - HEADERS[family];
      rig.engine.send(port.id, peer.local, Buffer.alloc(fits, 'a'), true);
      assert.equal((await peer.next()).packet.length, fits);
      rig.engine.send(port.id, peer.local, Buffer.alloc(fits + 1, 'b'), true);
      rig.engine.send(port.id, peer.local, Buffer.alloc(fits + 1, 'c'));
      assert.equal((await peer.next()).packet.toString('latin1'), 'c'.repeat(fits + 1));
      await rig.dropped('engine', 'too-big', 1);
    });
  }
});

/** Headers of the UDP packets that come to the other side, IPv4. */
class Heads implements Disposable {
  readonly #fd: Fd;
  readonly #room = new Arena(2048);

  constructor(side: OtherSide) {
    const raw = side.visit(() => checked('socket', libc().socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_UDP)));
    this.#fd = new Fd(raw, 'raw socket');
  }

  /** Whether the next one to this port has the bit. */
  async nextDontFragment(port: number): Promise<boolean> {
    const { bytes, view, address } = this.#room;
    await until(() => {
      const got = libc().read(this.#fd.number, address, bytes.length);
      return got > 0 && view.getUint16(22) === port;
    }, 'a packet to the peer');
    return (view.getUint16(6) & 0x4000) !== 0;
  }

  [Symbol.dispose](): void {
    this.#fd.close();
  }
}

const NEAR: Readonly<Record<Family, string>> = { 4: '10.201.0.1', 6: 'fd00:201::1' };
const FAR: Readonly<Record<Family, string>> = { 4: '10.201.0.2', 6: 'fd00:201::2' };
const HEADERS: Readonly<Record<Family, number>> = { 4: 20 + 8, 6: 40 + 8 };
const AF_INET = 2;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const IPPROTO_UDP = 17;
