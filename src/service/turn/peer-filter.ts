import { formatAddress, isWildcard, parseAddress } from '../../net/address.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import { type Prefix, prefixContains } from '../../net/prefix.ts';
import { canonicalPeer } from './canonical-peer.ts';
import type { TurnConfig } from './config.ts';
import { OwnListeners } from './own-listeners.ts';
import { SPECIAL_RANGES } from './special-ranges.ts';

export type PeerRefusal = 'peer-port-zero' | 'peer-denied' | 'peer-special-purpose' | 'peer-own-listener';

/**
 * Decides which peers may be talked to: the same check for CreatePermission, ChannelBind, Send and everything that becomes a flow.
 *
 * Every form that canonicalPeer() finds must pass. In this order:
 * 1. `peers.deny` wins over everything, hairpin included.
 * 2. Our own listeners are never peers, whatever is allowed.
 * 3. Our relayed addresses are peers (hairpin), in special ranges too; a port outside the relayed range is then still special,
 *    because behind a private address of ours other daemons listen.
 * 4. Special-purpose ranges are refused unless `peers.allow` covers the form. An allowed IPv4 range does not open the IPv6 forms that
 *    wrap it: those need their own entry besides (64:ff9b::10.0.0.1 needs 64:ff9b::/96 and 10.0.0.0/8).
 */
export class PeerFilter {
  readonly #deny: readonly Prefix[];
  readonly #allow: readonly Prefix[];
  readonly #relayed: ReadonlySet<string>;
  readonly #relayedPorts: TurnConfig['ports'];
  readonly #own: OwnListeners;

  constructor(config: Pick<TurnConfig, 'peers' | 'ownEndpoints' | 'ownAddresses' | 'relay' | 'ports'>) {
    this.#deny = config.peers.deny;
    this.#allow = config.peers.allow;
    this.#relayed = relayedAddresses(config.relay);
    this.#relayedPorts = config.ports;
    this.#own = new OwnListeners(config);
  }

  /** For CreatePermission: the port does not count. */
  refuseAddress(peer: Endpoint): PeerRefusal | undefined {
    const forms = formsOf(peer);
    if (forms === undefined || this.#isDenied(forms)) return 'peer-denied';
    if (this.#relayed.has(peer.address)) return undefined;
    return this.#isSpecial(forms) ? 'peer-special-purpose' : undefined;
  }

  /** For ChannelBind and Send: the port counts too. */
  refuse(peer: Endpoint): PeerRefusal | undefined {
    if (peer.port === 0) return 'peer-port-zero';
    const forms = formsOf(peer);
    if (forms === undefined || this.#isDenied(forms)) return 'peer-denied';
    if (this.#own.listensAt(peer.port) && forms.some((form) => this.#own.has(formatAddress(form), peer.port))) {
      return 'peer-own-listener';
    }
    if (this.#isRelayed(peer)) return undefined;
    return this.#isSpecial(forms) ? 'peer-special-purpose' : undefined;
  }

  /** Whether nothing but rule 3 lets it pass: it is a peer as long as a client of ours holds it, and otherwise a port of this machine. */
  passesAsRelayed(peer: Endpoint): boolean {
    const forms = this.#isRelayed(peer) ? formsOf(peer) : undefined;
    return forms !== undefined && this.#isSpecial(forms);
  }

  #isRelayed(peer: Endpoint): boolean {
    const { min, max } = this.#relayedPorts;
    return peer.port >= min && peer.port <= max && this.#relayed.has(peer.address);
  }

  #isDenied(forms: readonly Uint8Array[]): boolean {
    return forms.some((form) => isIn(this.#deny, form));
  }

  #isSpecial(forms: readonly Uint8Array[]): boolean {
    return forms.some((form) => isIn(SPECIAL_RANGES, form) && !isIn(this.#allow, form));
  }
}

/** Both names of each relayed address; a wildcard bind is no address to send to. */
function relayedAddresses(relay: TurnConfig['relay']): ReadonlySet<string> {
  const names = [relay.ipv4, relay.ipv6].flatMap((one) => (one === undefined ? [] : [one.advertised, one.bind]));
  return new Set(names.filter((name) => !isWildcard(name)));
}

/** Undefined for what is no address at all, which nobody may be sent to. */
export function formsOf(peer: Endpoint): readonly Uint8Array[] | undefined {
  const bytes = parseAddress(peer.address);
  return bytes === undefined ? undefined : canonicalPeer(bytes);
}

function isIn(prefixes: readonly Prefix[], address: Uint8Array): boolean {
  return prefixes.some((prefix) => prefixContains(prefix, address));
}
