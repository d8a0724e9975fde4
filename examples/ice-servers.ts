// What a web application's server does: gives each of its users TURN credentials that expire by themselves.
// Culvert and this program share the secret (turn.secret); nothing else passes between them.
//
//   CULVERT_TURN_SECRET=... TURN_HOST=relay.example.org node examples/ice-servers.ts
//   curl http://127.0.0.1:8080/ice-servers?user=alice
//
// In the browser (see browser.html):
//   const { iceServers } = await (await fetch('/ice-servers?user=alice')).json();
//   new RTCPeerConnection({ iceServers });
import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';

export interface IceServer {
  readonly urls: readonly string[];
  readonly username: string;
  readonly credential: string;
}

/** Credentials for one user. The name is for your own accounting: Culvert counts its quotas by it. */
export function iceServersFor(name: string, host: string, secret: string, ttlSeconds: number, now: Date): IceServer[] {
  const expiry = Math.floor(now.getTime() / 1000) + ttlSeconds;
  const username = `${expiry}:${name}`;
  const credential = createHmac('sha1', secret).update(username).digest('base64');
  return [{ urls: [`turn:${host}:3478?transport=udp`, `turn:${host}:3478?transport=tcp`], username, credential }];
}

if (import.meta.main) {
  const secret = process.env.CULVERT_TURN_SECRET;
  if (secret === undefined) throw new Error('set CULVERT_TURN_SECRET to the secret of turn.secret');
  const server = createServer((request, response) => {
    // Put your own authentication here: whoever gets credentials may relay through you.
    const name = new URL(request.url ?? '/', 'http://localhost').searchParams.get('user') ?? 'guest';
    const iceServers = iceServersFor(name, process.env.TURN_HOST ?? 'localhost', secret, 3600, new Date());
    response.setHeader('Content-Type', 'application/json').end(JSON.stringify({ iceServers }));
  });
  server.listen(8080, '127.0.0.1');
}
