import type { Family } from '../../net/address.ts';
import type { OpenResult } from '../../net/open-result.ts';
import { type Millis, SECOND } from '../../net/time.ts';
import { finishAllocation } from './allocate.ts';
import { Allocation, Relay } from './allocation.ts';
import { type Core, releasePort } from './core.ts';
import { closePort, closeRelay, endAllocation, forgetPort } from './ending.ts';
import { OPENING_PATIENCE } from './lifetime.ts';
import { type ReplyTo, refuse } from './responses.ts';
import { settleRestored } from './restore.ts';

/**
 * An Allocate between its checks and its answer: the ports that it asked the engine for.
 *
 *     wanted ──openPort──▶ binding ──ok──▶ bound                    all settled: finishAllocation answers
 *                            │ in use: another port, MAX_ATTEMPTS times
 *                            └─ anything else ──▶ failed
 */
export interface Opening {
  readonly to: ReplyTo;
  readonly lifetime: Millis;
  readonly even: boolean;
  readonly slots: readonly Slot[];
  attempts: number;
}

/** One port. `reserved` is the odd one next to the first slot's, for RESERVATION-TOKEN. */
export interface Slot {
  readonly family: Family;
  readonly use: 'relayed' | 'reserved';
  state: 'wanted' | 'binding' | 'bound' | 'failed';
  relay: Relay | undefined;
}

/** Ports that other programs hold are rare in the range that is ours; when every second one is taken, this many tries still do. */
const MAX_ATTEMPTS = 16;
/** Of Allocates whose ports are being bound, in all: an engine that hangs must not fill the memory. */
export const MAX_OPENINGS = 4096;

export function startOpening(core: Core, allocation: Allocation, opening: Opening, now: Millis): undefined {
  allocation.opening = opening;
  core.openings++;
  core.table.add(allocation);
  core.deadlines.set(allocation, now + OPENING_PATIENCE);
  openWanted(core, allocation, opening);
  settle(core, allocation, opening, now);
}

export function handlePortOpened(core: Core, relay: Relay, result: OpenResult, now: Millis): void {
  const { holder } = relay;
  if (!result.ok && result.failure !== 'in-use') reportFailure(core, relay, result, now);
  relay.open = result.ok;
  if (holder === undefined) {
    // Whoever asked for it is gone.
    if (result.ok) closePort(core, relay);
    else forgetPort(core, relay);
    return;
  }
  if (!(holder instanceof Allocation) || holder.opening === undefined) {
    settleRestored(core, relay, now);
    return;
  }
  const { opening } = holder;
  const slot = opening.slots.find((candidate) => candidate.relay === relay);
  if (slot === undefined) return;
  slot.state = result.ok ? 'bound' : 'failed';
  if (!result.ok) slot.relay = undefined;
  if (!result.ok && result.failure === 'in-use') tryAgain(opening, slot);
  openWanted(core, holder, opening);
  // Only now, so that the port chosen instead is another one.
  if (!result.ok) forgetPort(core, relay);
  settle(core, holder, opening, now);
}

/** The engine never answered. */
export function abandonOpening(core: Core, allocation: Allocation, opening: Opening, now: Millis): undefined {
  endAllocation(core, allocation, 'port-failed', now);
  refuse(core, opening.to, 'port-not-opened');
}

function openWanted(core: Core, allocation: Allocation, opening: Opening): void {
  const [first, second] = opening.slots;
  if (first === undefined) return;
  if (second?.use === 'reserved') {
    openPair(core, allocation, first, second);
    return;
  }
  for (const slot of opening.slots) {
    if (slot.state !== 'wanted') continue;
    const pool = core.pools[slot.family];
    open(core, allocation, slot, opening.even ? pool?.takeEven(false) : pool?.take());
  }
}

/** RFC 8656 §7.2: "a pair of port numbers N and N+1 on the same IP address, where N is even". Both or none. */
function openPair(core: Core, allocation: Allocation, first: Slot, second: Slot): void {
  const pair = [first, second];
  if (pair.some(({ state }) => state === 'binding') || !pair.some(({ state }) => state === 'wanted')) return;
  if (pair.some(({ state }) => state === 'failed')) {
    first.state = second.state = 'failed';
    return;
  }
  for (const slot of pair) {
    if (slot.relay !== undefined) closeRelay(core, slot.relay);
    slot.relay = undefined;
  }
  const even = core.pools[first.family]?.takeEven(true);
  open(core, allocation, first, even);
  open(core, allocation, second, even === undefined ? undefined : even + 1);
}

function open(core: Core, allocation: Allocation, slot: Slot, port: number | undefined): void {
  const { family } = slot;
  const address = family === 4 ? core.config.relay.ipv4 : core.config.relay.ipv6;
  if (port === undefined || address === undefined) {
    if (port !== undefined) releasePort(core, family, port);
    slot.state = 'failed';
    return;
  }
  const local = { family, address: address.bind, port };
  const relay = new Relay(core.ids.socket(), local, address.advertised, allocation);
  slot.relay = relay;
  slot.state = 'binding';
  core.table.sockets.set(relay.socket, relay);
  core.orders.add({ type: 'openPort', socket: relay.socket, local });
}

function tryAgain(opening: Opening, slot: Slot): void {
  if (opening.attempts >= MAX_ATTEMPTS) return;
  opening.attempts++;
  slot.state = 'wanted';
}

function settle(core: Core, allocation: Allocation, opening: Opening, now: Millis): undefined {
  if (opening.slots.some(({ state }) => state === 'wanted' || state === 'binding')) return;
  const { slots } = opening;
  const enough = slots.some(({ use }) => use === 'reserved')
    ? slots.every(({ state }) => state === 'bound')
    : slots.some(({ state }) => state === 'bound');
  if (enough) {
    finishAllocation(core, allocation, opening, now);
    return;
  }
  endAllocation(core, allocation, 'port-failed', now);
  refuse(core, opening.to, 'no-free-port');
}

/** Now and then: a client that asks again and again while descriptors are used up must not fill the log. Each refusal is counted. */
function reportFailure(core: Core, relay: Relay, { failure, detail }: OpenFault, now: Millis): void {
  if (Math.abs(now - core.portFailureToldAt) < REPORT_INTERVAL) return;
  core.portFailureToldAt = now;
  const { address, port } = relay.local;
  core.event('warn', 'turn-port-not-opened', { address, port, failure, detail });
}

type OpenFault = Extract<OpenResult, { ok: false }>;

const REPORT_INTERVAL: Millis = 10 * SECOND;
