import { type Direction, type Flow, type FlowMatch, NO_DISCRIMINATOR, STRIP } from '../../flow/flow.ts';
import type { FlowId } from '../../net/ids.ts';
import { rateLimit } from '../rates.ts';
import { Allocation, type Channel, type Relay } from './allocation.ts';
import type { Core } from './core.ts';
import { isUdp } from './table.ts';

/**
 * Gives a channel the flows that it may have now, and nothing when it may have none. Called whenever something that flows rest on has
 * come: the binding, the permission, the port, the other side of a hairpin. What goes takes them away by `removeFlows`.
 *
 *     peer elsewhere:   client ──strip──▶ peer,   peer ──add──▶ client
 *     peer is a client of ours, and both have a channel for the other:   client ──replace──▶ client, and back
 */
export function installFlows(core: Core, allocation: Allocation, channel: Channel): void {
  if (allocation.permission(channel.peer.address) === undefined) return;
  const relay = allocation.relay(channel.peer.family);
  if (relay === undefined || !relay.open) return;
  const target = core.table.relayAt(channel.peer);
  if (target !== undefined) installDirect(core, allocation, channel, relay, target);
  // Where only relayed addresses are peers, one that nobody holds is none; who gets it later joins the two by a channel back.
  else if (!core.filter.passesAsRelayed(channel.peer)) installRelayed(core, allocation, channel, relay);
}

/** Both sides lose a direct pair of flows at once. */
export function removeFlows(core: Core, allocation: Allocation, channel: Channel): void {
  const { partner } = channel;
  takeFlows(core, allocation, channel);
  if (partner !== undefined) takeFlows(core, partner.allocation, partner.channel);
}

/** What the flows carried stays with whose it was; a direct one carried from one client to the other. */
function takeFlows(core: Core, allocation: Allocation, channel: Channel): void {
  const { partner, toPeer, toClient } = channel;
  channel.partner = channel.toPeer = channel.toClient = undefined;
  const sent = toPeer === undefined ? undefined : core.flows.read(toPeer);
  const received = toClient === undefined ? undefined : core.flows.read(toClient);
  if (sent !== undefined) allocation.use().keepSent(sent);
  if (sent !== undefined) partner?.allocation.use().keepReceived(sent);
  if (received !== undefined) allocation.use().keepReceived(received);
  for (const flow of [toPeer, toClient]) if (flow !== undefined) core.orders.add({ type: 'removeFlow', flow });
}

function installRelayed(core: Core, allocation: Allocation, channel: Channel, relay: Relay): void {
  if (channel.toPeer !== undefined) return;
  const client = clientSide(core, allocation);
  if (client === undefined) return;
  const peer: Side = { socket: relay.socket, local: relay.local, remote: channel.peer };
  channel.toPeer = add(core, 'to_peer', allocation, {
    match: { ...client, discriminator: { kind: 'channel', channel: channel.number } },
    rewrite: { ...peer, encapsulation: STRIP },
  });
  channel.toClient = add(core, 'to_client', allocation, {
    match: { ...peer, discriminator: NO_DISCRIMINATOR },
    rewrite: { ...client, encapsulation: { kind: 'add', channel: channel.number } },
  });
}

function installDirect(core: Core, allocation: Allocation, channel: Channel, relay: Relay, target: Relay): void {
  if (channel.partner !== undefined) return;
  // What was bound before the other side had its port must not go on through the network.
  removeFlows(core, allocation, channel);
  const other = target.holder;
  if (!(other instanceof Allocation) || other === allocation || !target.open) return;
  const back = unpairedChannelTo(other, relay);
  if (back === undefined || other.permission(back.peer.address) === undefined) return;
  const here = clientSide(core, allocation);
  const there = clientSide(core, other);
  if (here === undefined || there === undefined) return;
  removeFlows(core, other, back);
  channel.partner = { allocation: other, channel: back };
  back.partner = { allocation, channel };
  channel.toPeer = addDirect(core, allocation, here, channel, there, back);
  back.toPeer = addDirect(core, other, there, back, here, channel);
}

function unpairedChannelTo({ channels }: Allocation, relay: Relay): Channel | undefined {
  let channel = channels;
  while (channel !== undefined && (channel.partner !== undefined || !relay.is(channel.peer))) channel = channel.next;
  return channel;
}

function addDirect(core: Core, sender: Allocation, from: Side, sent: Channel, to: Side, received: Channel): FlowId {
  return add(core, 'to_peer', sender, {
    match: { ...from, discriminator: { kind: 'channel', channel: sent.number } },
    rewrite: { ...to, encapsulation: { kind: 'replace', channel: received.number } },
  });
}

type Side = Pick<FlowMatch, 'socket' | 'local' | 'remote'>;

/** Undefined for clients on streams, and for a listener that nobody described: their data takes the slow path. */
function clientSide(core: Core, { client }: Allocation): Side | undefined {
  const local = isUdp(client) ? core.listeners.get(client.socket) : undefined;
  return local && isUdp(client) ? { socket: client.socket, local, remote: client.endpoint } : undefined;
}

/** Idle 0: the service itself owns every lifetime. */
function add(core: Core, direction: Direction, allocation: Allocation, way: Pick<Flow, 'match' | 'rewrite'>): FlowId {
  const id = core.ids.flow();
  const limit = rateLimit(core, allocation, direction);
  const flow: Flow = { id, service: 'turn', direction, ...way, idle: 0, ...(limit && { limit }) };
  core.orders.add({ type: 'addFlow', flow });
  return id;
}
