import type { MetricFamily } from './exposition.ts';
import { collectService, family, type ServiceMetrics, sample } from './relay.ts';

export interface WireguardMetrics extends ServiceMetrics {
  /** Of all runs whose state was kept. */
  readonly totals: { readonly packets: number; readonly bytes: number };
  readonly blockedAddresses: number;
}

/** Among them the names of LANrage's relay server, so that its dashboards go on. */
export function collectWireguard(metrics: WireguardMetrics): MetricFamily[] {
  const { clients, totals, blockedAddresses } = metrics;
  return [
    ...collectService(metrics),
    family('lanrage_relay_clients_total', 'gauge', 'As culvert_clients{service="wireguard"}.', [sample({}, clients)]),
    family('lanrage_relay_packets_total', 'counter', 'Packets that the WireGuard relay sent, also in earlier runs.', [
      sample({}, totals.packets),
    ]),
    family('lanrage_relay_bytes_total', 'counter', 'Bytes that the WireGuard relay sent, also in earlier runs.', [
      sample({}, totals.bytes),
    ]),
    family('lanrage_relay_blocked_ips_total', 'gauge', 'As culvert_blocked_addresses.', [sample({}, blockedAddresses)]),
  ];
}
