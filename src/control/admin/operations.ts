import type { ServiceName } from '../../flow/flow.ts';

/** What a running relay tells of itself and does when it is asked: behind the API, and behind the commands that use it. */
export interface Operations {
  status(): Status;
  /** In no particular order; others may come and go while they are walked through. */
  clients(service: ServiceName | undefined): Iterable<ClientView>;
  flows(service: ServiceName | undefined): Iterable<FlowView>;
  blocks(): BlockView[];
  /** `until` is Unix time in milliseconds; undefined = until it is removed. */
  block(prefix: string, until: number | undefined, note: string): BlockOutcome;
  unblock(prefix: string): BlockOutcome;
  /** Reads the configuration again, as SIGHUP does. */
  reload(): Promise<ReloadReport>;
  /** From now on nobody new is taken. The relay runs on. */
  drain(): DrainReport;
  /** Takes that back, unless the relay drains because it is about to end. */
  resume(): ResumeOutcome;
}

/** Times are ISO 8601, endpoints "address:port". */
export interface Status {
  readonly version: string;
  readonly pid: number;
  readonly state: 'starting' | 'ready' | 'draining' | 'stopping';
  readonly startedAt: string;
  readonly uptimeSeconds: number;
  readonly stateFolder: string;
  readonly engine: { readonly name: string; readonly mode: string; readonly why: string };
  readonly listeners: readonly ListenerView[];
  readonly admin: string | null;
  readonly services: readonly ServiceView[];
  readonly forwards: readonly ForwardView[];
  /** Packets and datagrams that the engine dropped before any service saw them, by reason. */
  readonly engineDrops: Readonly<Record<string, number>>;
  readonly blocks: { readonly count: number; readonly refused: number };
  readonly drain: DrainReport | null;
}

export interface ListenerView {
  readonly service: string;
  readonly transport: string;
  /** With the path of a unix socket in place of an endpoint. */
  readonly local: string;
  /** Of a forward. */
  readonly name?: string;
}

export interface ServiceView {
  readonly service: ServiceName;
  readonly clients: number;
  readonly flows: number;
  readonly toPeer: Traffic;
  readonly toClient: Traffic;
  readonly drops: Readonly<Record<string, number>>;
}

export interface Traffic {
  readonly packets: number;
  readonly bytes: number;
}

export interface ForwardView {
  readonly name: string;
  readonly transport: 'stream' | 'dgram';
  readonly down: boolean;
  readonly inUse: number;
  readonly connected: number;
  readonly failed: number;
  readonly upstreams: readonly UpstreamView[];
}

export interface UpstreamView {
  readonly name: string;
  readonly address: string | null;
  /** May be used. */
  readonly up: boolean;
  /** Whether its forward has health checks: without them it is up as long as its name resolves. */
  readonly checked: boolean;
  /** `checking` until the first check has an answer: it is used meanwhile. */
  readonly state: 'up' | 'down' | 'checking' | 'unchecked';
  readonly since: string | null;
  readonly reason: string | null;
  readonly nextTryAt: string | null;
  readonly active: number;
}

export interface ClientView {
  readonly service: ServiceName;
  readonly id: string | null;
  readonly names: readonly string[];
  readonly publicKeys: readonly string[];
  readonly proven: boolean;
  readonly endpoint: string;
  readonly transport: 'udp' | 'stream';
  readonly listener: string | null;
  readonly via: readonly string[];
  readonly firstSeen: string;
  readonly lastSeen: string | null;
  readonly sent: Traffic;
  readonly received: Traffic;
}

export interface FlowView {
  readonly id: number;
  readonly service: ServiceName;
  readonly direction: 'to_peer' | 'to_client';
  readonly from: string;
  readonly at: string;
  readonly via: string;
  readonly to: string;
  /** What in the payload selects it, such as "channel 0x4000"; empty: everything. */
  readonly selector: string;
  readonly packets: number;
  readonly bytes: number;
  readonly lastSeen: string | null;
}

export interface BlockView {
  readonly prefix: string;
  readonly by: 'configured' | 'manual' | 'rate';
  readonly note: string;
  readonly expiresAt: string | null;
}

export type BlockOutcome =
  | {
      readonly ok: true;
      readonly prefix: string;
      /** False when it lasts only as long as this process, because the state folder cannot be written. */
      readonly kept: boolean;
    }
  | { readonly ok: false; readonly failure: 'not-blocked' | 'configured' | 'too-many'; readonly reason: string };

export interface ReloadReport {
  readonly ok: boolean;
  /** Keys whose new value holds now. */
  readonly changed: readonly string[];
  /** Keys that differ from what runs and wait for a restart. */
  readonly needsRestart: readonly string[];
  /** What is wrong with the configuration; then nothing changed. */
  readonly faults: readonly string[];
  readonly warnings: readonly string[];
  /** Listeners that could not be opened; everything else changed all the same. */
  readonly failures: readonly string[];
}

export interface DrainReport {
  /** In services that an end waits for. */
  readonly left: number;
  readonly services: readonly { readonly service: ServiceName; readonly left: number; readonly drains: boolean }[];
}

export type ResumeOutcome =
  /** `undone`: false when nobody drained. */
  { readonly ok: true; readonly undone: boolean } | { readonly ok: false; readonly reason: string };
