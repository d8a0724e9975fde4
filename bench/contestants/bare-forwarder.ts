/**
 * The floor for a relay on node:dgram: one message event, one send, no protocol, nothing looked up but an index.
 * (With a synchronous lookup of its own instead of node:dns's it was 9 % faster; this is the plain form.)
 * One port faces all clients, one port per client faces the peer, as with a TURN relay.
 *
 * Arguments: front address, front port, back address, first back port, client address, first client port, peer address, peer port, flows.
 */
import { createSocket } from 'node:dgram';

const [frontAddress, frontPort, backAddress, backPort, clientAddress, clientPort, peerAddress, peerPort, flows] =
  process.argv.slice(2);
const firstClient = Number(clientPort);
const towardsPeer = Number(peerPort);

const front = createSocket('udp4');
const backs = Array.from({ length: Number(flows) }, (_, i) => {
  const back = createSocket('udp4');
  back.on('message', (packet) => front.send(packet, firstClient + i, clientAddress));
  back.bind(Number(backPort) + i, backAddress);
  return back;
});
front.on('message', (packet, from) => backs[from.port - firstClient]?.send(packet, towardsPeer, peerAddress));
front.bind(Number(frontPort), frontAddress, () => console.log('ready'));
process.on('SIGTERM', () => process.exit(0));
