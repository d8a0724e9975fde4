import type { ConnectFailure } from '../../net/stream-target.ts';
import type { ProxyFault } from '../../wire/proxy-protocol/header.ts';
import type { ClientHelloFault } from '../../wire/tls/client-hello.ts';

/** Why a client is not served. */
export type Refusal =
  | 'blocked'
  | 'denied'
  | 'total-limit'
  | 'source-limit'
  | 'source-rate'
  | 'draining'
  | 'no-upstream'
  | 'unusable-source';

/** Why something came to nothing; names are label values of culvert_drops_total. */
export type DropReason =
  | Refusal
  | ProxyFault
  | ClientHelloFault
  | `connect-${ConnectFailure}`
  | 'unknown-socket'
  | 'header-timeout'
  | 'hello-timeout'
  | 'unknown-server-name'
  | 'source-port-zero'
  | 'foreign-reply'
  | 'port-not-opened'
  | 'too-many-waiting'
  | 'restore-failed'
  | 'unsafe-address';
