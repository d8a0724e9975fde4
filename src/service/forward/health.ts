import type { Endpoint } from '../../net/endpoint.ts';
import { sameEndpoint } from '../../net/endpoint.ts';
import type { OpenResult } from '../../net/open-result.ts';
import type { ConnectResult } from '../../net/stream-target.ts';
import type { Millis } from '../../net/time.ts';
import type { HealthRule } from './config.ts';
import type { Core } from './core.ts';
import { endSessionsOf } from './sessions.ts';
import type { Target } from './upstreams.ts';

/** At once, then every interval. Nothing happens where the forward has no checks. */
export function startChecks(core: Core, target: Target, now: Millis): void {
  if (target.upstream.forward.rule.health !== undefined) core.deadlines.set(target, now);
}

export function stopChecks(core: Core, target: Target): void {
  core.deadlines.clear(target);
  endCheck(core, target);
}

/** The deadline of a target: its check takes too long, or the next one is due. */
export function handleCheckDue(core: Core, target: Target, now: Millis): void {
  const rule = ruleOf(target);
  if (rule === undefined) return;
  if (target.check === undefined) begin(core, target, rule, now);
  else conclude(core, target, rule, 'no answer in time', now);
}

export function handleCheckConnected(core: Core, target: Target, result: ConnectResult, now: Millis): void {
  const rule = ruleOf(target);
  if (rule === undefined) return;
  if (!result.ok && result.failure === 'no-descriptors') postpone(core, target, rule, now);
  else conclude(core, target, rule, result.ok ? undefined : `connect: ${result.failure} (${result.detail})`, now);
}

export function handleCheckPort(core: Core, target: Target, result: OpenResult, now: Millis): void {
  const rule = ruleOf(target);
  if (rule === undefined || target.check?.kind !== 'port') return;
  if (!result.ok) {
    core.ports.delete(target.check.socket);
    target.check = undefined;
    postpone(core, target, rule, now);
    return;
  }
  core.orders.add({ type: 'send', from: target.check.socket, to: target.endpoint(0), packet: rule.request });
}

export function handleCheckReply(core: Core, target: Target, from: Endpoint, packet: Uint8Array, now: Millis): void {
  const rule = ruleOf(target);
  if (rule === undefined || !sameEndpoint(from, target.endpoint(0))) core.drop('foreign-reply');
  else if (rule.reply.every((byte, index) => packet[index] === byte)) conclude(core, target, rule, undefined, now);
}

function begin(core: Core, target: Target, rule: HealthRule, now: Millis): void {
  const { forward } = target.upstream;
  if (forward.rule.transport === 'stream') {
    const stream = core.ids.stream();
    target.check = { kind: 'stream', stream };
    core.checks.set(stream, target);
    core.orders.add({ type: 'connect', stream, to: target.place(0), timeout: rule.timeout });
    // The engine keeps the time; ours is for an answer that never comes.
    core.deadlines.set(target, now + 2 * rule.timeout);
    return;
  }
  const socket = core.ids.socket();
  target.check = { kind: 'port', socket };
  core.ports.set(socket, target);
  core.orders.add({ type: 'openPort', socket, local: anyAddress(target.endpoint(0)) });
  core.deadlines.set(target, now + rule.timeout);
}

/** `failure`: why the check failed; undefined when it was good. */
function conclude(core: Core, target: Target, rule: HealthRule, failure: string | undefined, now: Millis): void {
  const good = failure === undefined;
  const wanted = !target.proven ? 1 : good ? rule.rise : rule.fall;
  endCheck(core, target);
  core.deadlines.set(target, now + rule.interval);
  target.proven ||= good;
  if (good === target.up) {
    target.contrary = 0;
    if (good) target.reason = undefined;
    return;
  }
  target.contrary += 1;
  if (target.contrary < wanted) return;
  target.contrary = 0;
  target.up = good;
  target.since = now;
  target.reason = failure;
  const fields = {
    forward: target.upstream.forward.rule.name,
    upstream: target.name,
    ...(failure && { reason: failure }),
  };
  core.event(good ? 'info' : 'warn', good ? 'forward-upstream-up' : 'forward-upstream-down', fields);
  // A session would stay with it for ever; the client's next datagram goes to another.
  if (!good) endSessionsOf(core, target);
}

/** Want of ports or descriptors of our own says nothing about the upstream. */
function postpone(core: Core, target: Target, rule: HealthRule, now: Millis): void {
  endCheck(core, target);
  core.deadlines.set(target, now + rule.interval);
}

function endCheck(core: Core, target: Target): void {
  const { check } = target;
  target.check = undefined;
  if (check?.kind === 'stream') {
    core.checks.delete(check.stream);
    core.orders.add({ type: 'closeStream', stream: check.stream });
  } else if (check?.kind === 'port') {
    core.ports.delete(check.socket);
    core.orders.add({ type: 'closePort', socket: check.socket });
  }
}

function ruleOf({ upstream }: Target): HealthRule | undefined {
  return upstream.forward.rule.health;
}

/** Any port of every address of the family. */
export function anyAddress({ family }: Endpoint): Endpoint {
  return { family, address: family === 4 ? '0.0.0.0' : '::', port: 0 };
}
