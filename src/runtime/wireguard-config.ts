import type { Config } from '../control/config/schema.ts';
import type { WireguardSettings } from '../control/config/wireguard.ts';
import type { StateSecrets } from '../control/state/secrets.ts';
import { isWildcard } from '../net/address.ts';
import type { Endpoint } from '../net/endpoint.ts';
import type { WireguardConfig } from '../service/wireguard/config.ts';
import { keyPairOf } from '../wire/wireguard/x25519.ts';
import type { PlannedListener } from './plan.ts';

export interface WireguardConfigParts {
  readonly config: Config;
  readonly wireguard: WireguardSettings;
  readonly listeners: readonly PlannedListener[];
  /** Of this machine. */
  readonly ownAddresses: readonly string[];
  readonly secrets: StateSecrets;
}

/** The configuration seen from this machine → what the service must be told. */
export function makeWireguardConfig(parts: WireguardConfigParts): WireguardConfig {
  const { config, wireguard, listeners, ownAddresses, secrets } = parts;
  const { peers, challenge, proof, maxClients, fanOut, timeout, quota, initiations, unasked, hashesPerSecond } =
    wireguard;
  const key = proofKeyOf(wireguard, secrets);
  const { maxSources } = config.limits.unauthenticated;
  return {
    peers,
    challenge,
    ...(proof && key && { proof: { ...proof, privateKey: key.private } }),
    ownEndpoints: listeners.flatMap(({ local }) => reachedAt(local, ownAddresses)),
    maxClients,
    maxStrangers: Math.max(MIN_STRANGERS, Math.ceil(maxClients / 4)),
    fanOut,
    timeout,
    initiations: { ...initiations, maxSources },
    unasked: { ...unasked, maxSources },
    searches: { ...SEARCHES, maxSources },
    quota,
    hashesPerSecond,
  };
}

/** The key of the relay as a WireGuard peer, where it is one: what the configuration names, else a generated one. */
export function proofKeyOf(
  { proof }: WireguardSettings,
  secrets: StateSecrets,
): { readonly private: Uint8Array; readonly public: string } | undefined {
  if (proof === undefined) return undefined;
  const privateKey = proof.privateKey ?? secrets.wireguard;
  return { private: privateKey, public: Buffer.from(keyPairOf(privateKey).publicKey).toString('base64') };
}

/** A wildcard listener is reached at every address of its family. */
function reachedAt(local: Endpoint, ownAddresses: readonly string[]): Endpoint[] {
  if (!isWildcard(local.address)) return [local];
  const ofFamily = ownAddresses.filter((address) => address.includes(':') === (local.family === 6));
  return ofFamily.map((address) => ({ ...local, address }));
}

const MIN_STRANGERS = 256;
/** A link of an interface is searched once; its cached keys need none. */
const SEARCHES = { perAddress: 5, perPrefix: 50, burstSeconds: 10 };
