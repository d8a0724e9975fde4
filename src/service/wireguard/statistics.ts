import { type Millis, SECOND } from '../../net/time.ts';
import type { Core } from './core.ts';

/** Of all runs together, when a snapshot carries them over. */
export interface Totals {
  /** Endpoints that became clients; one that comes again counts again. */
  readonly clients: number;
  readonly packets: number;
  readonly bytes: number;
  readonly blocked: number;
}

export class Statistics {
  /** Of earlier runs. */
  base: Totals = { clients: 0, packets: 0, bytes: 0, blocked: 0 };
  clients = 0;
  blocked = 0;
  /** When the next line is due; undefined while nothing happens. */
  nextAt: Millis | undefined = undefined;
  #told = '';
  #kept = '';

  /** A packet came: the clock of the statistics runs. */
  wake(now: Millis): void {
    this.nextAt ??= now + EVERY;
  }

  /** A line for the log, also where nothing happened. Without clients, and news, the clock stops until something comes. */
  tell(core: Core, now: Millis): void {
    if (this.nextAt === undefined || this.nextAt > now) return;
    const { packets, bytes, blocked } = this.totals(core);
    const clients = core.table.clients.size;
    const line = [clients, packets, bytes, blocked].join();
    const isDue = clients > 0 || line !== this.#told;
    this.#told = line;
    this.nextAt = isDue ? now + EVERY : undefined;
    if (isDue) core.event('info', 'wireguard-statistics', { clients, packets, bytes, blocked });
  }

  /** The totals when they are others than those that were last asked for by this. */
  news(core: Core): Totals | undefined {
    const totals = this.totals(core);
    const text = JSON.stringify(totals);
    if (text === this.#kept) return undefined;
    this.#kept = text;
    return totals;
  }

  totals({ flows, relayed }: Core): Totals {
    const byFlows = flows.total();
    const byUs = relayed.read().to_peer;
    return {
      clients: this.base.clients + this.clients,
      packets: this.base.packets + byFlows.packets + byUs.packets,
      bytes: this.base.bytes + byFlows.bytes + byUs.bytes,
      blocked: this.base.blocked + this.blocked,
    };
  }
}

const EVERY: Millis = 30 * SECOND;
