import { type Endpoint, endpointKey, sameEndpoint } from '../net/endpoint.ts';
import { resolveHost } from './addresses.ts';
import { TurnClient } from './client.ts';
import type { Session } from './session.ts';
import type { Steps } from './steps.ts';

/** Finds the server and opens one connection to it: what every probe begins with. The caller closes it. */
export async function reach(session: Session, steps: Steps): Promise<TurnClient> {
  const { target } = session;
  const server = await steps.run('resolve', () => resolveHost(target.host, target.port), endpointKey);
  session.server = server;
  const client = await steps.run(
    'connect',
    () => openClient(session, server),
    ({ local }) => `${target.transport.toUpperCase()} from ${endpointKey(local)}`,
  );
  session.local = client.local;
  return client;
}

export function openClient({ target, options }: Session, server: Endpoint): Promise<TurnClient> {
  const { timeout, insecure, credentials } = options;
  return TurnClient.connect(
    { kind: target.transport, remote: server, servername: target.host, insecure, timeout },
    credentials,
  );
}

export async function bind(session: Session, steps: Steps, client: TurnClient): Promise<void> {
  session.mapped = await steps.run(
    'binding',
    () => client.binding(),
    (mapped) =>
      `mapped address ${endpointKey(mapped)}${sameEndpoint(mapped, client.local) ? ' (no address translation)' : ''}`,
  );
}

/** What `probe stun:` does. */
export async function probeStun(session: Session, steps: Steps): Promise<void> {
  const client = await reach(session, steps);
  try {
    await bind(session, steps, client);
  } finally {
    client.close();
  }
}
