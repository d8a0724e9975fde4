import type { Endpoint } from '../../net/endpoint.ts';
import type { SocketId } from '../../net/ids.ts';
import { type Millis, SECOND } from '../../net/time.ts';
import type { Deadline } from '../deadlines.ts';
import type { Core } from './core.ts';
import { admit, becomeClient, isKnown } from './members.ts';
import type { RegisteredKey } from './registry.ts';
import type { Remote } from './remote.ts';
import { removeRoute } from './routes.ts';

/** Whose endpoint that is, as long as it is kept up. */
export class ProvenEndpoint implements Deadline {
  /** When it lapses. */
  at: Millis = 0;
  position = -1;
  readonly remote: Remote;
  readonly key: RegisteredKey;

  constructor(remote: Remote, key: RegisteredKey) {
    this.remote = remote;
    this.key = key;
  }
}

/**
 * A packet of a session with us came from there. As with any WireGuard peer the latest such place is where the owner of the key is; the
 * one before stays for a while, so that somebody on the path who is quick with a copy does not take initiations away, but shares them.
 */
export function prove(core: Core, at: SocketId, from: Endpoint, key: RegisteredKey, now: Millis): Remote | undefined {
  const remote = admit(core, at, from, now);
  if (remote.client === undefined) {
    if (core.table.clients.size >= core.config.maxClients) return core.drop('too-many-clients');
    if (core.draining && !isKnown(key)) return core.drop('draining');
    becomeClient(core, remote, now);
  }
  if (remote.proof?.key !== key) {
    setProof(core, remote, key, now + LIFETIME);
    core.event('debug', 'wireguard-proven', { client: from.address, peer: key.name });
    return remote;
  }
  key.proven.delete(remote);
  key.proven.add(remote);
  core.deadlines.set(remote.proof, now + LIFETIME);
  core.changes.note(remote);
  return remote;
}

/** What is proven wins over whatever keys seemed to be there. */
export function setProof(core: Core, remote: Remote, key: RegisteredKey, until: Millis): void {
  unprove(core, remote);
  for (const other of remote.keys) other.remotes.delete(remote);
  remote.keys = [key];
  key.remotes.add(remote);
  remote.proof = new ProvenEndpoint(remote, key);
  remote.hasProvenAddress = true;
  key.proven.add(remote);
  core.deadlines.set(remote.proof, until);
  core.changes.note(remote);
  const [first] = key.proven;
  if (first !== undefined && key.proven.size > PLACES_OF_A_KEY) unprove(core, first);
}

/** Where proofs are required, what rests on it goes too. */
export function unprove(core: Core, remote: Remote): void {
  const { proof } = remote;
  if (proof === undefined) return;
  core.deadlines.clear(proof);
  proof.key.proven.delete(remote);
  remote.proof = undefined;
  core.changes.note(remote);
  if (core.proof?.required) endUnproven(core, remote);
}

export function endUnproven(core: Core, { routes }: Remote): void {
  for (const route of [...routes.values()]) removeRoute(core, route);
}

const PLACES_OF_A_KEY = 2;
/** A session is good for 180 s, and a client with a keepalive speaks every 25 s. So a restart, which loses sessions, loses no proof. */
const LIFETIME: Millis = 180 * SECOND;
