import { createSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import { type Endpoint, endpointKey } from '../net/endpoint.ts';
import { localEndpoint, resolveHost } from './addresses.ts';
import { fromSystemError, ProbeError } from './failure.ts';
import type { Session } from './session.ts';
import type { Steps } from './steps.ts';

/** What `probe tcp:` and `probe udp:` do: they know nothing of what is spoken there, so they look whether anybody is. */
export async function probeForward(session: Session, steps: Steps): Promise<void> {
  const { host, port, transport } = session.target;
  const server = await steps.run('resolve', () => resolveHost(host, port), endpointKey);
  session.server = server;
  if (transport === 'udp') {
    const { timeout } = session.options;
    await steps.run(
      'answer',
      () => askByUdp(server, timeout),
      (bytes) => `${bytes} bytes came back`,
    );
    return;
  }
  const socket = await steps.run(
    'connect',
    () => connectTo(server, session.options.timeout),
    ({ localAddress, localPort }) =>
      `TCP from ${endpointKey(localEndpoint(localAddress ?? '0.0.0.0', localPort ?? 0))}`,
  );
  try {
    await steps.run(
      'answer',
      () => staysOpen(socket),
      (bytes) => (bytes === 0 ? 'it stays open' : `${bytes} bytes came`),
    );
  } finally {
    socket.destroy();
  }
}

function connectTo({ address, port }: Endpoint, timeout: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port });
    const fail = (error: unknown): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(fromSystemError(error));
    };
    const timer = setTimeout(
      () => fail(new ProbeError('no-answer', `no TCP connection within ${timeout} ms`)),
      timeout,
    );
    socket.once('error', fail);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', fail);
      resolve(socket);
    });
  });
}

/** A forward accepts before it knows whether its upstream is there; when it is not, it closes at once. */
function staysOpen(socket: Socket): Promise<number> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(socket.bytesRead), WATCH);
    const closed = (): void => {
      clearTimeout(timer);
      if (socket.bytesRead > 0) resolve(socket.bytesRead);
      else reject(new ProbeError('closed', 'the connection was closed at once'));
    };
    socket.on('error', closed).on('end', closed).on('close', closed);
    socket.resume();
  });
}

/** Resends, because a datagram may be lost. */
function askByUdp({ family, address, port }: Endpoint, timeout: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
    const end = (act: () => void): void => {
      clearTimeout(timer);
      clearInterval(resend);
      socket.close();
      act();
    };
    const timer = setTimeout(
      () => end(() => reject(new ProbeError('no-answer', `no answer within ${timeout} ms`))),
      timeout,
    );
    const resend = setInterval(() => socket.send(QUESTION), RESEND);
    socket.once('error', (error) => end(() => reject(fromSystemError(error))));
    socket.once('message', (packet) => end(() => resolve(packet.length)));
    // Connected, so that the refusal of a closed port comes back as an error.
    socket.connect(port, address, () => socket.send(QUESTION));
  });
}

const WATCH = 500;
const RESEND = 500;
const QUESTION = 'culvert probe';
