import type { UpstreamRule } from './config.ts';
import { upstreamKey } from './config.ts';

/** Whom a client of TLS may ask for, and to which upstreams that leads. */
export class ServerNames {
  readonly #exact = new Map<string, ReadonlySet<string>>();
  readonly #below = new Map<string, ReadonlySet<string>>();
  readonly #other: ReadonlySet<string> | undefined;

  /** Names in lower case; `*.example.com` stands for every name below example.com. `other` is for everybody else; without it he is refused. */
  constructor(names: ReadonlyMap<string, readonly UpstreamRule[]>, other: readonly UpstreamRule[] | undefined) {
    for (const [name, upstreams] of names) {
      if (name.startsWith('*.')) this.#below.set(name.slice(2), keysOf(upstreams));
      else this.#exact.set(name, keysOf(upstreams));
    }
    this.#other = other && keysOf(other);
  }

  /** Keys of upstreams; the name itself before the longest of those above it. Undefined: nobody is meant. */
  route(serverName: string | undefined): ReadonlySet<string> | undefined {
    if (serverName === undefined) return this.#other;
    const exact = this.#exact.get(serverName);
    if (exact !== undefined) return exact;
    for (let dot = serverName.indexOf('.'); dot >= 0; dot = serverName.indexOf('.', dot + 1)) {
      const below = this.#below.get(serverName.slice(dot + 1));
      if (below !== undefined) return below;
    }
    return this.#other;
  }
}

function keysOf(upstreams: readonly UpstreamRule[]): ReadonlySet<string> {
  return new Set(upstreams.map(upstreamKey));
}
