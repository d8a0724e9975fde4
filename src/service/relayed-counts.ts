import type { Direction } from '../flow/flow.ts';

/** What a service relayed itself, packet by packet, because no flow did. Bytes of application data. */
export class RelayedCounts {
  readonly #counts = { to_peer: { packets: 0, bytes: 0 }, to_client: { packets: 0, bytes: 0 } };

  add(direction: Direction, bytes: number): void {
    const count = this.#counts[direction];
    count.packets++;
    count.bytes += bytes;
  }

  read(): Readonly<Record<Direction, { readonly packets: number; readonly bytes: number }>> {
    return { to_peer: { ...this.#counts.to_peer }, to_client: { ...this.#counts.to_client } };
  }
}
