import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { StreamFramer } from '../wire/stun/framing.ts';
import { localEndpoint } from './addresses.ts';
import { fromSystemError, ProbeError } from './failure.ts';
import type { ConnectOptions, Transport, TransportEvents } from './transport.ts';

/** TCP and TLS: messages back to back in one stream (RFC 8489 §6.2.2, RFC 8656 §12.5). */
export async function connectStream(options: ConnectOptions, events: TransportEvents): Promise<Transport> {
  const socket = await open(options);
  const framer = new StreamFramer();
  let alive = true;
  const fail = (error: ProbeError): void => {
    if (!alive) return;
    alive = false;
    socket.destroy();
    events.failed(error);
  };
  socket.setNoDelay(true);
  socket.on('data', (chunk) => {
    framer.push(chunk);
    for (let frame = framer.next(); alive && frame !== 'need-more'; frame = framer.next()) {
      if ('fault' in frame)
        return fail(new ProbeError('bad-response', `the server's stream is not STUN (${frame.fault})`));
      events.packet(frame);
    }
  });
  socket.on('error', (error) => fail(fromSystemError(error)));
  socket.on('close', () => fail(new ProbeError('closed', 'the server closed the connection')));
  return {
    reliable: true,
    local: localEndpoint(socket.localAddress ?? '0.0.0.0', socket.localPort ?? 0),
    remote: options.remote,
    send(packet) {
      if (alive) socket.write(packet);
    },
    close() {
      alive = false;
      socket.destroy();
    },
  };
}

function open(options: ConnectOptions): Promise<Socket> {
  const { host, port } = { host: options.remote.address, port: options.remote.port };
  return new Promise((resolve, reject) => {
    const socket =
      options.kind === 'tls'
        ? connectTls({
            host,
            port,
            // RFC 6066 §3: an address is no server name.
            ...(isIP(options.servername) === 0 && { servername: options.servername }),
            rejectUnauthorized: !options.insecure,
          })
        : connectTcp({ host, port });
    const giveUp = setTimeout(() => {
      const stage = options.kind === 'tls' && !socket.connecting ? 'TLS handshake' : 'TCP connection';
      fail(new ProbeError('no-answer', `no ${stage} within ${options.timeout} ms`));
    }, options.timeout);
    const fail = (error: unknown): void => {
      clearTimeout(giveUp);
      socket.destroy();
      reject(fromSystemError(error));
    };
    socket.once('error', fail);
    const closed = (): void =>
      fail(new ProbeError('closed', 'the server closed the connection while it was being set up'));
    socket.once('close', closed);
    socket.once(options.kind === 'tls' ? 'secureConnect' : 'connect', () => {
      clearTimeout(giveUp);
      socket.off('error', fail).off('close', closed);
      resolve(socket);
    });
  });
}
