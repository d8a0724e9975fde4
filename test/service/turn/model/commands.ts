import fc from 'fast-check';
import type { Millis } from '../../../../src/net/time.ts';
import type { NetworkOptions } from '../../../simulation/network.ts';

export const CLIENTS = 4;
/** See World.peer(). */
const PEERS = 10;

/** Something that happens `wait` milliseconds after what came before it, by or to client number `actor`. */
export interface Command {
  readonly wait: Millis;
  readonly actor: number;
  readonly act: Act;
}

export type Act =
  | { readonly type: 'allocate'; readonly families: readonly (4 | 6)[]; readonly lifetime: number | undefined }
  | { readonly type: 'refresh'; readonly lifetime: number | undefined; readonly user: string | undefined }
  | { readonly type: 'permit'; readonly peers: readonly number[] }
  | { readonly type: 'bind'; readonly channel: number; readonly peer: number }
  | { readonly type: 'indicate'; readonly peer: number; readonly size: number }
  | { readonly type: 'channelData'; readonly channel: number; readonly size: number }
  | { readonly type: 'peerData'; readonly peer: number; readonly size: number; readonly family: 4 | 6 }
  | { readonly type: 'strangerData'; readonly size: number }
  | { readonly type: 'rebind' }
  /** Allocates, then permits and binds: what a client does that lost everything. */
  | { readonly type: 'comeBack' }
  /** A packet that the actor sent earlier comes again: from its own endpoint, or from a third party's. */
  | { readonly type: 'replay'; readonly back: number; readonly spoofed: boolean };

const FAMILIES: readonly (readonly (4 | 6)[])[] = [[4], [4], [4], [6], [4, 6]];
const lifetime: fc.Arbitrary<number | undefined> = fc.constantFrom(
  undefined,
  undefined,
  3600,
  3600,
  0,
  1,
  600,
  601,
  900,
  4_294_967_295,
);
const size: fc.Arbitrary<number> = fc.oneof(
  { weight: 20, arbitrary: fc.nat(40) },
  { weight: 6, arbitrary: fc.constantFrom(0, 1, 3, 4, 1200) },
  { weight: 1, arbitrary: fc.constantFrom(65_470, 65_503) },
);
const peer: fc.Arbitrary<number> = fc.oneof(fc.constantFrom(0, 0, 2, 6, 7), fc.nat(PEERS - 1));
const CHANNELS: readonly number[] = [
  ...Array(6).fill(0x4000),
  ...Array(4).fill(0x4001),
  0x4002,
  0x4003,
  0x5000,
  0x7fff,
];
const channel: fc.Arbitrary<number> = fc.constantFrom(...CHANNELS);

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('allocate' as const),
      families: fc.constantFrom(...FAMILIES),
      lifetime,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('refresh' as const),
      lifetime,
      user: fc.constantFrom(undefined, undefined, undefined, 'bob', 'alice'),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('permit' as const),
      peers: fc.array(peer, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('bind' as const),
      channel: fc.constantFrom(...CHANNELS, 0x3fff, 0x8000),
      peer,
    }),
  },
  { weight: 8, arbitrary: fc.record({ type: fc.constant('indicate' as const), peer, size }) },
  { weight: 14, arbitrary: fc.record({ type: fc.constant('channelData' as const), channel, size }) },
  {
    weight: 14,
    arbitrary: fc.record({
      type: fc.constant('peerData' as const),
      peer: fc.constantFrom(0, 0, 1, 2, 2, 3),
      size,
      family: fc.constantFrom(4 as const, 4 as const, 4 as const, 6 as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('strangerData' as const), size }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('rebind' as const) }) },
  { weight: 5, arbitrary: fc.record({ type: fc.constant('comeBack' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant('replay' as const), back: fc.nat(12), spoofed: fc.boolean() }),
  },
);

/** Mostly close together; now and then as long as something lives, to the millisecond. */
const wait: fc.Arbitrary<Millis> = fc.oneof(
  { weight: 30, arbitrary: fc.nat(400) },
  { weight: 6, arbitrary: fc.nat(5000) },
  { weight: 1, arbitrary: fc.constantFrom(60_000, 199_900, 299_950, 300_000, 599_950, 600_000) },
);

const anything: fc.Arbitrary<readonly Command[]> = fc.array(fc.record({ wait, actor: fc.nat(CLIENTS - 1), act }), {
  minLength: 1,
  maxLength: 120,
  size: 'max',
});

/** What sensible clients begin with, so that what follows finds something there. */
const SETTING_OUT: readonly Command[] = [
  ...[0, 1, 2, 3].map((actor): Command => {
    return { wait: 0, actor, act: { type: 'allocate', families: actor === 2 ? [4, 6] : [4], lifetime: 3600 } };
  }),
  ...[0, 1, 2].map((actor): Command => ({ wait: 2000, actor, act: { type: 'bind', channel: 0x4000, peer: 0 } })),
  ...[0, 1, 2].map((actor): Command => ({ wait: 300, actor, act: { type: 'permit', peers: [2] } })),
  { wait: 300, actor: 0, act: { type: 'bind', channel: 0x4001, peer: 7 } },
  { wait: 300, actor: 1, act: { type: 'bind', channel: 0x4001, peer: 6 } },
];

export const schedules: fc.Arbitrary<readonly Command[]> = fc
  .tuple(fc.oneof(fc.constant([...SETTING_OUT]), fc.subarray([...SETTING_OUT])), anything)
  .map(([beginning, rest]) => [...beginning, ...rest]);

export const weathers: fc.Arbitrary<NetworkOptions> = fc.record({
  seed: fc.nat(),
  loss: fc.constantFrom(0, 0, 50, 200),
  duplication: fc.constantFrom(0, 100, 300),
  minDelay: fc.constantFrom(0, 5, 20),
  maxDelay: fc.constantFrom(20, 60, 300),
});
