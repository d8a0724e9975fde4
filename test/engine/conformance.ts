import { describe } from 'node:test';
import { flowTests } from './conformance/flows.ts';
import { joinTests } from './conformance/joined.ts';
import { portTests } from './conformance/ports.ts';
import type { ConformanceOptions } from './conformance/rig.ts';
import { streamTests } from './conformance/streams.ts';
import { tlsTests } from './conformance/tls.ts';

/** What every engine does alike, with real sockets on loopback. */
export function engineConformance(options: ConformanceOptions): void {
  describe(`${options.name} engine`, { skip: options.skips.all ?? false }, () => {
    describe('ports', () => portTests(options));
    describe('flows', () => flowTests(options));
    describe('streams', { skip: options.skips.streams ?? false }, () => streamTests(options));
    describe('joined streams', { skip: options.skips.streams ?? false }, () => joinTests(options));
    describe('TLS', { skip: options.skips.streams || options.skips.tls || false }, () => tlsTests(options));
  });
}
