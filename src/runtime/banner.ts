import { type Endpoint, endpointKey } from '../net/endpoint.ts';
import type { IceServer } from './ice-servers.ts';

/** What `culvert up` tells once it runs. */
export interface Summary {
  readonly version: string;
  readonly listeners: readonly { readonly service: string; readonly transport: string; readonly local: Endpoint }[];
  readonly forwards: readonly { readonly name: string; readonly place: string; readonly local: Endpoint }[];
  readonly relay:
    | { readonly addresses: readonly string[]; readonly ports: { readonly min: number; readonly max: number } }
    | undefined;
  readonly engine: { readonly name: string; readonly mode: string; readonly why: string };
  readonly admin: Endpoint | undefined;
  /** Where the configuration names no credentials. */
  readonly generated: { readonly iceServer: IceServer; readonly keptIn: string | undefined } | undefined;
  /** Where it names no secret of the pair relay. */
  readonly generatedPair: { readonly secret: string; readonly keptIn: string | undefined } | undefined;
  /** The relay as a WireGuard peer of its clients. */
  readonly relayPeer: { readonly publicKey: string; readonly endpoint: string } | undefined;
}

/** For people, on standard output. */
export function formatBanner(summary: Summary): string {
  return `${[`Culvert ${summary.version}`, table(facts(summary)), ...credentials(summary), ...pairSecret(summary), ...relayPeer(summary)].join('\n\n')}\n`;
}

function facts({ listeners, forwards, relay, engine, admin }: Summary): string[][] {
  const rows = listeners.map(({ service, transport, local }) => [service, transport, endpointKey(local)]);
  for (const { name, place } of forwards) rows.push(['forward', name, place]);
  if (relay !== undefined) {
    const addresses = relay.addresses.length === 0 ? 'no address' : relay.addresses.join(', ');
    rows.push(['relayed', 'udp', `${addresses}, ports ${relay.ports.min}-${relay.ports.max}`]);
  }
  rows.push(['engine', engine.name, `${engine.mode} (${engine.why})`]);
  if (admin !== undefined) {
    const url = `http://${endpointKey(admin)}`;
    rows.push(['admin', 'http', url], ['metrics', 'http', `${url}/metrics`]);
  }
  return rows;
}

function credentials({ generated, relay }: Summary): string[] {
  if (generated === undefined) return [];
  const { iceServer, keptIn } = generated;
  const place = placeOf(keptIn);
  const url = iceServer.urls[0] ?? 'turn:localhost:3478';
  // A client that names no family asks for IPv4 (RFC 8656 section 7.1).
  const onlyIpv6 =
    relay !== undefined && relay.addresses.length > 0 && relay.addresses.every((address) => address.includes(':'));
  return [
    `The configuration names no TURN credentials: generated, ${place}. For a browser:`,
    `  iceServers: ${JSON.stringify([iceServer])}`,
    'Try it:',
    `  npx culvert probe "${url}" --user ${iceServer.username} --password ${iceServer.credential}${onlyIpv6 ? ' --ipv6' : ''}`,
  ];
}

function pairSecret({ generatedPair }: Summary): string[] {
  if (generatedPair === undefined) return [];
  const { secret, keptIn } = generatedPair;
  return [
    `The configuration names no secret for pairs: generated, ${placeOf(keptIn)}. For the clients:`,
    `  UDP_RELAY_SECRET_KEY=${secret}`,
  ];
}

function relayPeer({ relayPeer: peer }: Summary): string[] {
  if (peer === undefined) return [];
  const lines = ['[Peer]', `PublicKey = ${peer.publicKey}`, `Endpoint = ${peer.endpoint}`, 'PersistentKeepalive = 25'];
  return [
    `The relay is a WireGuard peer of its clients. One more in the configuration of each:\n${lines.map((line) => `  ${line}`).join('\n')}`,
  ];
}

function placeOf(keptIn: string | undefined): string {
  return keptIn === undefined ? 'for this run only' : `kept in ${keptIn}`;
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd())
    .join('\n');
}
