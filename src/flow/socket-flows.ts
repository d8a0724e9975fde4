import type { Endpoint } from '../net/endpoint.ts';
import { firstWord } from '../wire/first-word.ts';
import { channelOf, MALFORMED_CHANNEL_DATA, NO_RECEIVER, receiverOf } from './discriminate.ts';
import { EndpointMap } from './endpoint-map.ts';
import { FewMap } from './few-map.ts';
import type { Discriminator } from './flow.ts';
import type { InstalledFlow } from './installed-flow.ts';

/** Why no flow takes a packet, so that it goes up to the service. */
export type MissReason =
  | 'no-flow'
  | 'unknown-channel'
  | 'malformed-channel-data'
  | 'unknown-receiver'
  | 'excepted-word';

/** The flows of one socket: those that match packets arriving there, and `users`, which also has those that send from it. */
export class SocketFlows {
  readonly users = new Set<InstalledFlow>();
  readonly #remotes = new EndpointMap<RemoteFlows>();

  /** `address` and `port`: where the payload came from. */
  find(address: string, port: number, payload: Uint8Array): InstalledFlow | MissReason {
    return this.#remotes.get(address, port)?.find(payload) ?? 'no-flow';
  }

  get(remote: Endpoint, discriminator: Discriminator): InstalledFlow | undefined {
    return this.#remotes.get(remote.address, remote.port)?.get(discriminator);
  }

  set(entry: InstalledFlow): void {
    const { remote, discriminator } = entry.flow.match;
    let flows = this.#remotes.get(remote.address, remote.port);
    if (flows === undefined) {
      flows = new RemoteFlows();
      this.#remotes.set(remote.address, remote.port, flows);
    }
    flows.set(discriminator, entry);
  }

  delete(entry: InstalledFlow): void {
    const { remote, discriminator } = entry.flow.match;
    const flows = this.#remotes.get(remote.address, remote.port);
    if (flows === undefined) return;
    flows.set(discriminator, undefined);
    if (flows.empty) this.#remotes.delete(remote.address, remote.port);
  }
}

/** The flows of one (socket, remote endpoint). */
class RemoteFlows {
  #plain: InstalledFlow | undefined = undefined;
  #channels: FewMap<InstalledFlow> | undefined = undefined;
  #receivers: FewMap<InstalledFlow> | undefined = undefined;

  get empty(): boolean {
    return this.#plain === undefined && this.#channels === undefined && this.#receivers === undefined;
  }

  find(payload: Uint8Array): InstalledFlow | MissReason {
    let reason: MissReason = 'no-flow';
    if (this.#channels !== undefined) {
      const channel = channelOf(payload);
      if (channel >= 0) {
        const found = this.#channels.get(channel);
        if (found !== undefined) return found;
        reason = 'unknown-channel';
      } else if (channel === MALFORMED_CHANNEL_DATA) {
        reason = 'malformed-channel-data';
      }
    }
    if (this.#receivers !== undefined) {
      const index = receiverOf(payload);
      if (index !== NO_RECEIVER) {
        const found = this.#receivers.get(index);
        if (found !== undefined) return found;
        reason = 'unknown-receiver';
      }
    }
    const plain = this.#plain;
    if (plain === undefined) return reason;
    // A payload of fewer than four bytes has no first word, which must not look like no exception.
    return plain.exceptWord !== -1 && plain.exceptWord === firstWord(payload) ? 'excepted-word' : plain;
  }

  get(discriminator: Discriminator): InstalledFlow | undefined {
    switch (discriminator.kind) {
      case 'none':
        return this.#plain;
      case 'channel':
        return this.#channels?.get(discriminator.channel);
      case 'receiver':
        return this.#receivers?.get(discriminator.index);
    }
  }

  set(discriminator: Discriminator, entry: InstalledFlow | undefined): void {
    switch (discriminator.kind) {
      case 'none':
        this.#plain = entry;
        return;
      case 'channel':
        this.#channels = changed(this.#channels, discriminator.channel, entry);
        return;
      case 'receiver':
        this.#receivers = changed(this.#receivers, discriminator.index, entry);
        return;
    }
  }
}

function changed(
  map: FewMap<InstalledFlow> | undefined,
  key: number,
  entry: InstalledFlow | undefined,
): FewMap<InstalledFlow> | undefined {
  const result = map ?? new FewMap<InstalledFlow>();
  if (entry === undefined) result.delete(key);
  else result.set(key, entry);
  return result.size === 0 ? undefined : result;
}
