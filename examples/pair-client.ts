// A client of pairs that proves its address (docs/pair-anti-replay.md), without any library of ours.
//
//   UDP_RELAY_SECRET_KEY=… node examples/pair-client.ts relay.example.org 6060 0123456789abcdef0123456789abcdef
//
// Run it twice with the same GUID: each prints what the other sends.
import { createHmac } from 'node:crypto';
import { createSocket } from 'node:dgram';

const MAGIC = Buffer.from('04b28000', 'hex');
const HAS_NONCE = 0x0001;
const IS_ANSWER = 0x0002;

/** A v0.8.2 handshake with the nonce of the extension: 80 bytes. */
export function makeHandshake(guid: Buffer, nonce: Buffer, key: Buffer): Buffer {
  const packet = Buffer.alloc(80);
  MAGIC.copy(packet, 0);
  packet.writeUInt16BE(24, 4);
  packet.writeUInt16BE(HAS_NONCE, 6);
  guid.copy(packet, 8);
  nonce.copy(packet, 56);
  createHmac('sha256', key).update(packet).digest().copy(packet, 24);
  return packet;
}

/** The nonce in the relay's answer; undefined when the packet is something else. */
export function nonceIn(packet: Buffer, guid: Buffer, key: Buffer): Buffer | undefined {
  if (packet.length !== 80 || !packet.subarray(0, 4).equals(MAGIC)) return undefined;
  if (packet.readUInt16BE(6) !== (HAS_NONCE | IS_ANSWER) || !packet.subarray(8, 24).equals(guid)) return undefined;
  const blank = Buffer.from(packet);
  blank.fill(0, 24, 56);
  const mac = createHmac('sha256', key).update(blank).digest();
  return mac.equals(packet.subarray(24, 56)) ? Buffer.from(packet.subarray(56)) : undefined;
}

if (import.meta.main) {
  const [host = 'localhost', port = '6060', guidText = ''] = process.argv.slice(2);
  const guid = Buffer.from(guidText, 'hex');
  const key = Buffer.from(process.env.UDP_RELAY_SECRET_KEY ?? '', 'base64');
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  const send = (packet: Buffer | string) => socket.send(packet, Number(port), host);
  let nonce: Buffer = Buffer.alloc(24);
  let met = false;

  // Nobody answers a handshake but the other client, by way of the relay: repeat it until he is there.
  const repeat = setInterval(
    () => (met ? send(`hello from ${process.pid}`) : send(makeHandshake(guid, nonce, key))),
    500,
  );
  socket.on('message', (packet) => {
    const fresh = nonceIn(packet, guid, key);
    if (fresh !== undefined) {
      nonce = fresh;
      send(makeHandshake(guid, nonce, key));
      return;
    }
    met = true;
    if (!packet.subarray(0, 4).equals(MAGIC)) console.log(packet.toString());
  });
  process.once('SIGINT', () => {
    clearInterval(repeat);
    socket.close();
  });
}
