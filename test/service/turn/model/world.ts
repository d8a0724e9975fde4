import type { Endpoint } from '../../../../src/net/endpoint.ts';
import { endpointKey, sameEndpoint } from '../../../../src/net/endpoint.ts';
import { HOUR, type Millis, SECOND } from '../../../../src/net/time.ts';
import type { TurnConfig } from '../../../../src/service/turn/config.ts';
import { Host, Network, type NetworkOptions } from '../../../simulation/network.ts';
import { type Departure, type FlowPolicy, SimulatedRelay } from '../../../simulation/turn-relay.ts';
import { endpoint } from '../harness.ts';
import { ModelClient, PASSWORDS, REALM } from './client.ts';
import { type Act, CLIENTS, type Command } from './commands.ts';
import { Reference, type Rules } from './reference.ts';
import { describeForClient, fingerprint, hex, readMessage } from './text.ts';

const START: Millis = 1_800_000_000_000;
const LISTENER: Endpoint = endpoint('198.51.100.1:3478');

const CONFIG: TurnConfig = {
  realm: REALM,
  software: '',
  strictChannels: false,
  credentials: { users: PASSWORDS, secrets: [], stampSecrets: [] },
  nonceKey: new Uint8Array(32).fill(5),
  nonceLifetime: 200 * SECOND,
  relay: {
    ipv4: { advertised: LISTENER.address, bind: LISTENER.address },
    ipv6: { advertised: '2606:4700:ffff::1', bind: '2606:4700:ffff::1' },
  },
  ports: { min: 50_000, max: 59_999 },
  peers: { allow: [], deny: [] },
  ownEndpoints: [LISTENER],
  ownAddresses: [LISTENER.address],
  quota: { perUser: 3, total: 0, bytesPerSecond: 0 },
  lifetime: { default: 600 * SECOND, max: 3600 * SECOND },
  maxPermissions: 3,
  maxChannels: 3,
  unauthenticatedBudget: { perAddress: 0, perPrefix: 0, burstSeconds: 1, maxSources: 16 },
  canSetDontFragment: false,
};

const PEERS: readonly Endpoint[] = ['8.8.4.4:7000', '8.8.4.4:7001', '9.9.9.9:7000', '[2606:4700::1]:7000'].map(
  endpoint,
);
const FORBIDDEN: Endpoint = endpoint('10.0.0.1:80');
const STRANGER: Endpoint = endpoint('13.0.0.1:999');

export const RULES: Rules = {
  listener: LISTENER,
  isForbidden: ({ address, port }) =>
    address === FORBIDDEN.address || (address === LISTENER.address && port !== 0 && (port < 50_000 || port > 59_999)),
  nonceLifetime: CONFIG.nonceLifetime,
  perUser: CONFIG.quota.perUser,
  maxPermissions: CONFIG.maxPermissions,
  maxChannels: CONFIG.maxChannels,
};

/** Clients, peers, a stranger and the relay; every packet at the relay is held against the reference. */
export class World {
  readonly relay: SimulatedRelay;
  /** Where relay and reference differ: what arrived, what had to leave, what left. */
  readonly differences: string[] = [];
  /** Packets of data that reached the relay and left it, by the reference. */
  delivered = 0;
  readonly #network: Network;
  readonly #reference: Reference;
  readonly #clients: readonly ModelClient[];
  readonly #peers: readonly Host[];
  readonly #stranger: Host;
  readonly #log: string[] = [];
  #payloads = 0;

  constructor(weather: NetworkOptions, policy: FlowPolicy, rules: Rules = RULES) {
    this.#network = new Network(weather, START);
    this.#reference = new Reference(rules);
    this.relay = new SimulatedRelay(this.#network, CONFIG, LISTENER, policy, (...seen) => this.#compare(...seen));
    this.#clients = Array.from(
      { length: CLIENTS },
      (_, name) => new ModelClient(this.#network, name, endpoint(`11.0.${name}.1:4000`), LISTENER, this.#reference),
    );
    this.#peers = PEERS.map((at) => this.#loggedHost(at));
    this.#stranger = this.#loggedHost(STRANGER);
  }

  run(schedule: readonly Command[]): void {
    for (const { wait, actor, act } of schedule) {
      this.#network.run(this.#network.now + wait);
      const client = this.#clients[actor];
      if (client !== undefined) this.#do(client, act);
    }
    this.#network.run(this.#network.now + 10 * SECOND);
  }

  /** Nobody says anything any more. Returns what the service still holds. */
  fallSilent(): { readonly allocations: number; readonly entries: number; readonly deadlines: number } {
    this.#network.run(this.#network.now + 2 * HOUR);
    const { allocations, held } = this.relay.service.stats();
    return { allocations, entries: held.entries, deadlines: held.deadlines };
  }

  /** What reached whom and when. */
  received(): readonly string[][] {
    return [...this.#clients.map(({ received }) => received), this.#log];
  }

  #do(client: ModelClient, act: Act): void {
    switch (act.type) {
      case 'allocate':
        client.request({ method: 'allocate', families: act.families, ...(act.lifetime && { lifetime: act.lifetime }) });
        break;
      case 'refresh': {
        const { lifetime, user } = act;
        client.request({ method: 'refresh', ...(lifetime !== undefined && { lifetime }), ...(user && { user }) });
        break;
      }
      case 'permit':
        client.request({ method: 'permit', peers: act.peers.map((number) => this.#peer(number)) });
        break;
      case 'bind':
        client.request({ method: 'bind', channel: act.channel, peers: [this.#peer(act.peer)] });
        break;
      case 'indicate':
        client.indicate(this.#peer(act.peer), this.#payload(act.size));
        break;
      case 'channelData':
        client.channelData(act.channel, this.#payload(act.size));
        break;
      case 'peerData':
        this.#toRelayed(client, this.#peers[act.peer], act.family, this.#payload(act.size));
        break;
      case 'strangerData':
        this.#toRelayed(client, this.#stranger, 4, this.#payload(act.size));
        break;
      case 'rebind': {
        const { address, port } = client.host.outside;
        client.host.rebind({ family: 4, address, port: port + 1 });
        break;
      }
      case 'comeBack':
        this.#comeBack(client);
        break;
      case 'replay': {
        const packet = client.history.at(-1 - act.back);
        if (packet === undefined) break;
        if (act.spoofed) this.#network.send(client.host.outside, LISTENER, packet);
        else this.#stranger.send(LISTENER, packet);
      }
    }
  }

  #comeBack(client: ModelClient): void {
    client.request({ method: 'allocate', families: [4], lifetime: 3600 });
    this.#network.at(this.#network.now + SECOND, () => {
      client.request({ method: 'bind', channel: 0x4000, peers: [this.#peer(0)] });
      client.request({ method: 'permit', peers: [this.#peer(2)] });
    });
  }

  #toRelayed(client: ModelClient, peer: Host | undefined, family: 4 | 6, data: Uint8Array): void {
    const relayed = client.relayed.find((one) => one.family === family) ?? client.relayed[0];
    if (relayed !== undefined && peer?.outside.family === relayed.family) peer.send(relayed, data);
  }

  /** 0 to 3 are peers, 4 and 5 nobody may talk to, from 6 on the relayed addresses of the clients. */
  #peer(number: number): Endpoint {
    if (number === 4) return FORBIDDEN;
    if (number === 5) return LISTENER;
    return PEERS[number] ?? this.#clients[number - 6]?.relayed[0] ?? (PEERS[0] as Endpoint);
  }

  /** No two alike, as far as their size allows; some look like ChannelData or STUN. */
  #payload(size: number): Uint8Array {
    const number = ++this.#payloads;
    return Uint8Array.from({ length: size }, (_, index) => (number * 31 + index * 7) % 256);
  }

  #loggedHost(at: Endpoint): Host {
    return new Host(this.#network, at, (from, packet) => {
      const what = sameEndpoint(from, LISTENER) ? describeForClient(packet) : fingerprint(packet);
      this.#log.push(`${this.#network.now} ${endpointKey(at)} < ${endpointKey(from)} ${what}`);
    });
  }

  #compare(at: Endpoint, from: Endpoint, packet: Uint8Array, departures: readonly Departure[]): void {
    const { now } = this.#network;
    const expected = this.#reference.arrive(at, from, packet, now);
    const actual = departures.map((departure) => describeDeparture(departure));
    this.delivered += expected.filter((line) => !/ \d+$/.test(line) || /channel|data/.test(line)).length;
    if (expected.join('\n') !== actual.join('\n')) {
      const arrival = `${now - START}: ${endpointKey(at)} < ${endpointKey(from)} ${hex(packet.subarray(0, 40))}`;
      this.differences.push([arrival, 'expected', ...expected, 'was', ...actual].join('\n  '));
    }
    for (const { from: source, to, packet: reply } of departures) {
      const message = sameEndpoint(source, LISTENER) && (reply[0] ?? 0xff) < 0x40 ? readMessage(reply) : undefined;
      if (message !== undefined) this.#reference.learn(to, message, now);
    }
  }
}

function describeDeparture({ from, to, packet }: Departure): string {
  const what = sameEndpoint(from, LISTENER) ? describeForClient(packet) : fingerprint(packet);
  return `${endpointKey(from)} > ${endpointKey(to)} ${what}`;
}
