import { execFileSync } from 'node:child_process';
import type { Family } from '../../../src/net/address.ts';
import type { Network } from '../conformance/rig.ts';
import { enterNamespace, ip, OtherSide } from './namespace.ts';

/**
 * Two namespaces, joined by a veth, between which packets really go:
 *
 *    this process, relay0 192.0.2.1, 2001:db8::1 ──── peers0 192.0.2.2, 2001:db8::2, sockets of peers
 */
export class TwoSides implements Network {
  readonly other: OtherSide;

  constructor() {
    enterNamespace();
    this.other = new OtherSide();
    this.other.connect('relay0', 'peers0');
    for (const family of [4, 6] as const) addAddress('relay0', this.engine(family));
    this.other.visit(() => {
      for (const family of [4, 6] as const) addAddress('peers0', this.peer(family));
    });
    this.setPeerChecksums(true);
  }

  /** Whether peers compute the checksums of what they send, as what comes over a wire has them; else they leave them to hardware, as a veth does. */
  setPeerChecksums(on: boolean): void {
    this.other.visit(() => execFileSync('ethtool', ['-K', 'peers0', 'tx', on ? 'off' : 'on'], { stdio: 'ignore' }));
  }

  /** Whether relay0 sends what a native program hands it: with GRO on, its peer takes that in. */
  setPeerGro(on: boolean): void {
    this.other.visit(() => execFileSync('ethtool', ['-K', 'peers0', 'gro', on ? 'on' : 'off'], { stdio: 'ignore' }));
  }

  disconnect(name: string): void {
    ip('link', 'delete', name);
  }

  engine(family: Family): string {
    return family === 4 ? '192.0.2.1' : '2001:db8::1';
  }

  peer(family: Family): string {
    return family === 4 ? '192.0.2.2' : '2001:db8::2';
  }

  get peerNamespace(): string {
    return this.other.path;
  }

  atPeer<T>(open: () => T): T {
    return this.other.visit(open);
  }
}

function addAddress(name: string, address: string): void {
  if (address.includes(':')) ip('address', 'add', `${address}/64`, 'dev', name, 'nodad');
  else ip('address', 'add', `${address}/24`, 'dev', name);
}
