import type { Millis } from '../../net/time.ts';
import type { LegacyForm } from '../../wire/pair/legacy.ts';
import type { BudgetOptions } from '../limiter.ts';

/** Everything the pair relay must be told; made by the composition root from the configuration file. */
export interface PairConfig {
  /** A handshake made with any of these is good. */
  readonly keys: readonly Uint8Array[];
  /** Older handshakes that are taken too. */
  readonly legacy: ReadonlySet<LegacyForm>;
  /** A pair or a half without a packet for so long is closed. */
  readonly idle: Millis;
  /** Closing waits for the next multiple of this, so that one timer serves many. */
  readonly sweep: Millis;
  readonly rebind: RebindConfig;
  readonly antiReplay: AntiReplay;
  /** Key of the HMAC in our nonces, 32 bytes: one per state folder. */
  readonly nonceKey: Uint8Array;
  readonly nonceLifetime: Millis;
  /** 0 = no limit. */
  readonly quota: {
    /** Seats of one IPv4 address or one IPv6 /64. */
    readonly perSource: number;
    /** Pairs and halves together. */
    readonly total: number;
    /** Of one pair, each way. */
    readonly bytesPerSecond: number;
  };
  /** Of MACs that are computed for who is not known yet: one token for each kilobyte. */
  readonly handshakeBudget: BudgetOptions;
}

export interface RebindConfig {
  /** How long an address must have been silent before its seat may go to another. */
  readonly after: Millis;
  /** Whose handshake is taken when it does not prove to be fresh: nobody's, one from the same IP address, anyone's. */
  readonly unproven: 'never' | 'same-address' | 'anyone';
}

/** off: v0.8.2 as it is. offer: clients that want a nonce get one. require: others are refused. */
export type AntiReplay = 'off' | 'offer' | 'require';
