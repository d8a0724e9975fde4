import { endpointKey } from '../net/endpoint.ts';
import { isPrivate } from './addresses.ts';
import type { Allocation, TurnClient } from './client.ts';
import { type EchoResult, echo, type KnownPayloads } from './echo.ts';
import type { Session } from './session.ts';
import type { StepName, Steps } from './steps.ts';
import { bind, openClient, reach } from './stun-steps.ts';

/**
 * What `probe turn:` does: two clients, each with an allocation, exchange data relayed address to relayed address. The first sends by
 * channel, the second by Send indications, so that both forms are tried in both directions.
 */
export async function probeTurn(session: Session, steps: Steps): Promise<void> {
  const clients: TurnClient[] = [];
  try {
    const first = await reach(session, steps);
    clients.push(first);
    await bind(session, steps, first);
    const [one, two] = await allocateBoth(session, steps, first, clients);
    await exchange(session, steps, one, two);
    const lifetime = (seconds: number): string => `lifetime ${seconds} s`;
    await steps.run('refresh', () => one.client.refresh(one.allocation.lifetime), lifetime);
    await steps.run(
      'release',
      () => Promise.all([one.client.refresh(0), two.client.refresh(0)]),
      () => 'both allocations',
    );
    note(session);
  } finally {
    for (const client of clients) client.abandon();
  }
}

interface Side {
  readonly client: TurnClient;
  readonly allocation: Allocation;
}

async function allocateBoth(
  session: Session,
  steps: Steps,
  first: TurnClient,
  clients: TurnClient[],
): Promise<[Side, Side]> {
  const { options } = session;
  const open = await steps.run(
    'challenge',
    () => first.challenge(options),
    (granted) =>
      granted ? 'none: the server lets anyone allocate' : `401, realm "${first.auth.realm}", ${first.auth.mechanism}`,
  );
  if (open) session.notes.push('the server asks for no credentials: anyone may relay through it');
  const one = await allocate(session, steps, 'allocate #1', async () => open ?? first.allocate(options));

  const two = await allocate(session, steps, 'allocate #2', async () => {
    const second = await openClient(session, session.server ?? first.local);
    clients.push(second);
    return second.allocate(options);
  });
  return [
    { client: first, allocation: one },
    { client: clients[1] ?? first, allocation: two },
  ];
}

async function allocate(
  session: Session,
  steps: Steps,
  name: StepName,
  action: () => Promise<Allocation>,
): Promise<Allocation> {
  const allocation = await steps.run(
    name,
    action,
    ({ relayed, lifetime }) => `relayed address ${endpointKey(relayed)}, lifetime ${lifetime} s`,
  );
  session.allocations.push(allocation);
  return allocation;
}

async function exchange(session: Session, steps: Steps, one: Side, two: Side): Promise<void> {
  const { timeout } = session.options;
  const toOne = one.allocation.relayed;
  const toTwo = two.allocation.relayed;
  await steps.run(
    'permission',
    () => two.client.createPermission(toOne),
    () => `#2 admits ${toOne.address}`,
  );
  const channel = await steps.run(
    'channel bind',
    () => one.client.channelBind(toTwo),
    (number) => `#1 binds 0x${number.toString(16)} to ${endpointKey(toTwo)}`,
  );
  const known: KnownPayloads = new Set();
  const byChannel = { client: one.client, send: (data: Uint8Array) => one.client.sendChannelData(channel, data) };
  const bySend = { client: two.client, send: (data: Uint8Array) => two.client.sendIndication(toOne, data) };
  session.echoes.push(await steps.run('echo channel', () => echo(byChannel, bySend, known, timeout), describeEcho));
  session.echoes.push(await steps.run('echo send', () => echo(bySend, byChannel, known, timeout), describeEcho));
}

function describeEcho({ sent, received, rtt }: EchoResult): string {
  const [min, average, max] = [rtt.min, rtt.average, rtt.max].map((millis) => millis.toFixed(1));
  return `${received} of ${sent} packets back unchanged, round trip ${min}/${average}/${max} ms`;
}

function note({ server, mapped, allocations, notes }: Session): void {
  const relayed = allocations[0]?.relayed;
  if (relayed === undefined || server === undefined) return;
  if (isPrivate(relayed) && !isPrivate(server)) {
    notes.push(
      `the relayed address ${relayed.address} is private: peers elsewhere cannot reach it, set the server's public address`,
    );
  }
  if (mapped !== undefined && isPrivate(mapped) && !isPrivate(server)) {
    notes.push(
      `the server sees this client as ${mapped.address}, a private address: something in front of it rewrites sources`,
    );
  }
}
