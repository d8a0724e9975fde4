import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { TurnClient } from '../../src/probe/client.ts';
import { encodeHandshake } from '../../src/wire/pair/handshake.ts';
import { afterwards } from '../afterwards.ts';
import { temporaryFolder } from '../control/config/rig.ts';
import { PATIENCE_MILLIS } from '../patience.ts';
import { freePort, RELAYED_PORTS } from '../ports.ts';
import { culvertUp, waitFor } from './culvert.ts';

export interface Context {
  after(hook: () => void | Promise<void>): void;
  diagnostic(text: string): void;
}

/** A relay of all services with its ports and its state folder, to be started again and again. */
export class RestartRig {
  readonly #context: Context;
  readonly state: string;
  readonly #ports: Readonly<Record<'turn' | 'pair' | 'forward' | 'admin', number>>;
  readonly #upstream: number;

  private constructor(context: Context, ports: readonly number[], upstream: number) {
    this.#context = context;
    this.state = join(temporaryFolder(context), 'state');
    const [turn = 0, pair = 0, forward = 0, admin = 0] = ports;
    this.#ports = { turn, pair, forward, admin };
    this.#upstream = upstream;
  }

  static async make(context: Context, upstream: number): Promise<RestartRig> {
    const ports: number[] = [];
    for (let count = 0; count < 4; count++) ports.push(await freePort());
    return new RestartRig(context, ports, upstream);
  }

  /** With other settings, or further arguments. */
  up(changes: Readonly<Record<string, string>> = {}, ...more: readonly string[]) {
    const { turn, pair, forward, admin } = this.#ports;
    const to = `udp://127.0.0.1:${this.#upstream}`;
    const settings = {
      'turn.listen': `udp://127.0.0.1:${turn}`,
      'turn.relay.ipv4': '127.0.0.1',
      'turn.relay.ports': `${RELAYED_PORTS.lowest}-${RELAYED_PORTS.highest}`,
      'turn.users': '{"alice":"wonderland"}',
      'turn.peers.allow': '127.0.0.0/8',
      'pair.listen': `udp://127.0.0.1:${pair}`,
      'pair.secret': SECRET.toString('base64'),
      'wireguard.listen': 'udp://127.0.0.1:0',
      forward: JSON.stringify([{ name: 'vpn', listen: `udp://127.0.0.1:${forward}`, to: [to] }]),
      'admin.listen': `http://127.0.0.1:${admin}`,
      ...changes,
    };
    const sets = Object.entries(settings).flatMap(([path, value]) => ['--set', `${path}=${value}`]);
    return culvertUp(this.#context, [...sets, ...more], { CULVERT_STATE: this.state });
  }

  at(service: 'turn' | 'pair' | 'forward' | 'admin'): Endpoint {
    return { family: 4, address: '127.0.0.1', port: this.#ports[service] };
  }

  async metric(line: string): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.#ports.admin}/metrics`)).text();
    const found = text.split('\n').find((one) => one.startsWith(`${line} `));
    return Number(found?.slice(line.length + 1) ?? 0);
  }
}

/** A client of each service, and whom they speak to. All of them fall silent, or speak on, whatever becomes of the relay. */
export class Clients {
  readonly turn: TurnClient;
  readonly relayed: Endpoint;
  readonly channel: number;
  readonly peer: Wire;
  readonly pair: readonly [Wire, Wire];
  readonly forward: Wire;
  readonly upstream: Wire;
  /** What the TURN client got. */
  readonly received: string[] = [];
  onReceived: (text: string) => void = () => {};

  private constructor(turn: TurnClient, relayed: Endpoint, channel: number, wires: readonly Wire[]) {
    this.turn = turn;
    this.relayed = relayed;
    this.channel = channel;
    const [peer, a, b, forward, upstream] = wires as [Wire, Wire, Wire, Wire, Wire];
    this.peer = peer;
    this.pair = [a, b];
    this.forward = forward;
    this.upstream = upstream;
    turn.onData = (_peer, data) => {
      const text = Buffer.from(data).toString();
      this.received.push(text);
      this.onReceived(text);
    };
  }

  static async meet(context: Context, rig: RestartRig, upstream: Wire): Promise<Clients> {
    const options = {
      kind: 'udp',
      remote: rig.at('turn'),
      servername: '',
      insecure: false,
      timeout: PATIENCE_MILLIS,
    } as const;
    const turn = await TurnClient.connect(options, { username: 'alice', password: 'wonderland' });
    afterwards(context, () => turn.close());
    const granted = (await turn.challenge({})) ?? (await turn.allocate({}));
    const wires = [
      await Wire.open(context),
      await Wire.open(context),
      await Wire.open(context),
      await Wire.open(context),
    ];
    const [peer, a, b, forward] = wires as [Wire, Wire, Wire, Wire];
    const channel = await turn.channelBind(peer.local);
    const clients = new Clients(turn, granted.relayed, channel, [...wires, upstream]);
    for (const end of [a, b]) end.send(rig.at('pair'), pairHandshake());
    forward.send(rig.at('forward'), 'hello');
    await waitFor(() => upstream.heard.length === 1 && a.heard.length === 1);
    const [first] = upstream.heard;
    if (first !== undefined) upstream.send(first.from, 'welcome');
    await waitFor(() => forward.heard.length === 1);
    return clients;
  }
}

/** A UDP socket that hears no ICMP: whoever is away for a moment is no reason for it to give up. */
export class Wire {
  readonly #socket: Socket;
  readonly local: Endpoint;
  readonly heard: { readonly from: Endpoint; readonly text: string }[] = [];
  onText: (text: string, from: Endpoint) => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    const { address, port } = socket.address();
    this.local = { family: 4, address, port };
    socket.on('message', (packet, { address, port }) => {
      const from: Endpoint = { family: 4, address, port };
      this.heard.push({ from, text: packet.toString('latin1') });
      this.onText(packet.toString('latin1'), from);
    });
  }

  static async open(context: Context, port = 0): Promise<Wire> {
    const socket = createSocket('udp4');
    socket.bind(port, '127.0.0.1');
    await once(socket, 'listening');
    afterwards(context, () => void socket.close());
    return new Wire(socket);
  }

  /** From whom it came, if it did. */
  heardOf(text: string): Endpoint | undefined {
    return this.heard.find((one) => one.text === text)?.from;
  }

  send(to: Endpoint, packet: string | Uint8Array): void {
    this.#socket.send(packet, to.port, to.address);
  }
}

function pairHandshake(): Uint8Array {
  return encodeHandshake({ guid: '11'.repeat(16), flags: 0 }, SECRET);
}

const SECRET = Buffer.alloc(32, 'restart');
