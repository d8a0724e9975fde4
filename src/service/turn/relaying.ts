import { MAX_PAYLOAD } from '../../flow/encapsulate.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import type { Millis } from '../../net/time.ts';
import { encodeMessage } from '../../wire/stun/codec.ts';
import { METHOD_DATA } from '../../wire/stun/message.ts';
import { CHANNEL_HEADER_BYTES, encodeChannelData } from '../../wire/turn/channel-data.ts';
import { takeRate } from '../rates.ts';
import type { Order } from '../service.ts';
import { Allocation, type Channel, type Relay } from './allocation.ts';
import { StreamClient } from './client.ts';
import type { Core } from './core.ts';
import { sendToClient } from './responses.ts';

/**
 * The slow path: data that no flow carried. Nothing is allowed here that a flow would not do, and nothing less.
 *
 *     client ─(Send, ChannelData)─▶ relayToPeer ──▶ network
 *                                        └─ the peer is a client of ours ─▶ deliver ──▶ that client
 *     network ─(peer-data.ts)──────────────────────────────────────────────▶ deliver ──▶ client
 */
export function relayToPeer(
  core: Core,
  allocation: Allocation,
  peer: Endpoint,
  data: Uint8Array,
  dontFragment: boolean,
  now: Millis,
): undefined {
  const relay = allocation.relay(peer.family);
  if (relay === undefined) return core.drop('family-mismatch');
  if (!relay.open) return core.drop('port-not-open');
  if (allocation.permission(peer.address) === undefined) return core.drop('no-permission');
  if (data.length > MAX_PAYLOAD[peer.family]) return core.drop('too-big');
  if (!takeRate(core, allocation, 'to_peer', data.length, now)) return core.drop('rate-limited');
  const target = core.table.relayAt(peer);
  if (target !== undefined) return deliverWithin(core, allocation, relay, target, data, now);
  // Nobody's port, in a range that is refused otherwise: on the network it could be that of another program on this machine.
  if (core.filter.passesAsRelayed(peer)) return core.drop('no-allocation');
  core.relayed.add('to_peer', data.length);
  noteSent(allocation, data, now);
  const order: Order = { type: 'send', from: relay.socket, to: peer, packet: data };
  core.orders.add(dontFragment ? { ...order, dontFragment } : order);
}

/** RFC 8656 §11.3: what a peer sent to a relayed address goes to its client, on a channel if one is bound (§12.7). */
export function relayToClient(core: Core, relay: Relay, peer: Endpoint, data: Uint8Array, now: Millis): undefined {
  const { holder } = relay;
  if (!(holder instanceof Allocation) || holder.opening !== undefined) return core.drop('no-allocation');
  if (holder.permission(peer.address) === undefined) return core.drop('no-permission');
  if (!takeRate(core, holder, 'to_client', data.length, now)) return core.drop('rate-limited');
  if (deliver(core, holder, peer, holder.channelByPeer(peer), data)) core.relayed.add('to_client', data.length);
}

/**
 * Hairpin: from one client of this relay to another, without the network in between. The peer sees the sender's advertised relayed
 * address. Only the sender's quota is charged, as by the direct flow that takes over once both have channels.
 */
function deliverWithin(
  core: Core,
  sender: Allocation,
  from: Relay,
  target: Relay,
  data: Uint8Array,
  now: Millis,
): undefined {
  const { holder } = target;
  if (!(holder instanceof Allocation)) return core.drop('no-allocation');
  const permitted = [from.advertised, from.local].some(({ address }) => holder.permission(address) !== undefined);
  if (!permitted) return core.drop('no-permission');
  const channel = holder.channelByPeer(from.advertised) ?? holder.channelByPeer(from.local);
  if (!deliver(core, holder, from.advertised, channel, data)) return;
  core.relayed.add('to_peer', data.length);
  noteSent(sender, data, now);
}

function noteSent(allocation: Allocation, data: Uint8Array, now: Millis): void {
  const usage = allocation.use();
  usage.noteSent(data.length);
  usage.lastSeen = now;
}

function deliver(
  core: Core,
  allocation: Allocation,
  peer: Endpoint,
  channel: Channel | undefined,
  data: Uint8Array,
): boolean {
  const { client } = allocation;
  const onStream = client instanceof StreamClient;
  const limit = onStream ? MAX_STREAM_MESSAGE : MAX_PAYLOAD[client.endpoint.family];
  if (deliveredLength(peer, channel, data) > limit) {
    core.drop('too-big');
    return false;
  }
  const packet =
    channel !== undefined
      ? encodeChannelData(channel.number, data, onStream)
      : encodeMessage({
          class: 'indication',
          method: METHOD_DATA,
          transactionId: core.random(12),
          attributes: { xorPeerAddresses: [peer], data },
        });
  sendToClient(core, client, packet, true);
  allocation.use().noteReceived(data.length);
  return true;
}

/** What it takes to reach the client, padding of a stream aside: as much on a channel as a flow takes, so that both carry the same. */
function deliveredLength(peer: Endpoint, channel: Channel | undefined, data: Uint8Array): number {
  if (channel !== undefined) return CHANNEL_HEADER_BYTES + data.length;
  // Header, XOR-PEER-ADDRESS, and DATA with its padding (RFC 8656 §18.3, §18.4).
  return 20 + (peer.family === 4 ? 12 : 24) + 4 + ((data.length + 3) & ~3);
}

/** The length field of a STUN message has 16 bits, counts whole words, and leaves the header out. */
const MAX_STREAM_MESSAGE = 20 + 0xfffc;
