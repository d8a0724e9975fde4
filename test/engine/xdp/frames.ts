import { formatAddress, parseAddress } from '../../../src/net/address.ts';
import type { Endpoint } from '../../../src/net/endpoint.ts';

/** What an Ethernet frame with a UDP datagram says. What is absent is as a proper sender has it. */
export interface FrameSpec {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly payload: Uint8Array;
  readonly destinationMac?: string;
  readonly trafficClass?: number;
  readonly hopLimit?: number;
  readonly id?: number;
  /** Flags and offset of IPv4. Default: don't fragment. */
  readonly fragment?: number;
  readonly options?: Uint8Array;
  /** Each: type and bytes, a multiple of 8 long, in front of the UDP header of IPv6. */
  readonly extensions?: readonly { readonly type: number; readonly bytes: Uint8Array }[];
  /** partial: left to hardware, the sum of the pseudo-header alone. */
  readonly checksum?: 'right' | 'none' | 'wrong' | 'partial';
  readonly headerChecksum?: 'right' | 'wrong';
  /** Default: what is true. */
  readonly udpLength?: number;
  readonly ipLength?: number;
  /** TPIDs, outermost first. */
  readonly tags?: readonly number[];
  /** Behind the IP packet. */
  readonly trailer?: Uint8Array;
  readonly flowLabel?: number;
}

/** Of the interface that frames go to, unless told otherwise. */
export const RELAY_MAC = '02:00:00:00:00:01';

export function buildFrame(spec: FrameSpec): Buffer {
  const tags = (spec.tags ?? []).map((_, index, all) => {
    const tag = Buffer.alloc(4);
    tag.writeUInt16BE(100 + index, 0);
    tag.writeUInt16BE(all[index + 1] ?? etherType(spec.to), 2);
    return tag;
  });
  const ethernet = Buffer.concat([
    macBytes(spec.destinationMac ?? RELAY_MAC),
    macBytes('02:00:00:00:00:02'),
    Buffer.alloc(2),
  ]);
  ethernet.writeUInt16BE(spec.tags?.[0] ?? etherType(spec.to), 12);
  const udp = udpDatagram(spec);
  const packet = spec.to.family === 4 ? ipv4Packet(spec, udp) : ipv6Packet(spec, udp);
  return Buffer.concat([ethernet, ...tags, packet, spec.trailer ?? Buffer.alloc(0)]);
}

export interface ParsedFrame {
  readonly destinationMac: string;
  readonly sourceMac: string;
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly payload: Buffer;
  readonly trafficClass: number;
  readonly hopLimit: number;
  /** undefined for IPv6. */
  readonly id: number | undefined;
  readonly fragment: number | undefined;
  readonly flowLabel: number | undefined;
  readonly checksum: 'right' | 'none' | 'wrong';
}

/** Reads what a receiver would, and throws for what one would not take: lengths that do not fit, a header checksum that is wrong. */
export function parseFrame(frame: Buffer): ParsedFrame {
  const type = frame.readUInt16BE(12);
  const ip = frame.subarray(14);
  const macs = { destinationMac: macText(frame.subarray(0, 6)), sourceMac: macText(frame.subarray(6, 12)) };
  if (type === 0x0800) {
    if (ip[0] !== 0x45 || ip[9] !== 17) throw new FrameFault('no plain IPv4 header with UDP');
    if (ip.readUInt16BE(2) !== ip.length) throw new FrameFault(`IPv4 says ${ip.readUInt16BE(2)} of ${ip.length} bytes`);
    if (onesSum(ip.subarray(0, 20)) !== 0xffff) throw new FrameFault('IPv4 header checksum');
    return {
      ...macs,
      ...udpOf(ip.subarray(12, 16), ip.subarray(16, 20), ip.subarray(20)),
      trafficClass: ip[1] ?? 0,
      hopLimit: ip[8] ?? 0,
      id: ip.readUInt16BE(4),
      fragment: ip.readUInt16BE(6),
      flowLabel: undefined,
    };
  }
  if (type !== 0x86dd) throw new FrameFault(`EtherType ${type.toString(16)}`);
  if (ip.readUInt8(0) >> 4 !== 6 || ip[6] !== 17) throw new FrameFault('no plain IPv6 header with UDP');
  if (ip.readUInt16BE(4) !== ip.length - 40) throw new FrameFault('IPv6 payload length');
  return {
    ...macs,
    ...udpOf(ip.subarray(8, 24), ip.subarray(24, 40), ip.subarray(40)),
    trafficClass: (ip.readUInt16BE(0) >> 4) & 0xff,
    hopLimit: ip[7] ?? 0,
    id: undefined,
    fragment: undefined,
    flowLabel: ip.readUInt32BE(0) & 0xfffff,
  };
}

class FrameFault extends Error {
  override readonly name = 'FrameFault';
}

function udpDatagram(spec: FrameSpec): Buffer {
  const udp = Buffer.alloc(8 + spec.payload.length);
  udp.writeUInt16BE(spec.from.port, 0);
  udp.writeUInt16BE(spec.to.port, 2);
  udp.writeUInt16BE(spec.udpLength ?? udp.length, 4);
  udp.set(spec.payload, 8);
  if (spec.checksum === 'none') return udp;
  const pseudo = pseudoHeader(addressBytes(spec.from), addressBytes(spec.to), udp.length);
  if (spec.checksum === 'partial') {
    udp.writeUInt16BE(onesSum(pseudo), 6);
    return udp;
  }
  const sum = onesSum(Buffer.concat([pseudo, udp]));
  const check = ~sum & 0xffff || 0xffff;
  udp.writeUInt16BE(spec.checksum === 'wrong' ? check ^ 0x0101 : check, 6);
  return udp;
}

function ipv4Packet(spec: FrameSpec, udp: Buffer): Buffer {
  const options = spec.options ?? Buffer.alloc(0);
  const header = Buffer.alloc(20 + options.length);
  header[0] = 0x40 | (header.length / 4);
  header[1] = spec.trafficClass ?? 0;
  header.writeUInt16BE(spec.ipLength ?? header.length + udp.length, 2);
  header.writeUInt16BE(spec.id ?? 0, 4);
  header.writeUInt16BE(spec.fragment ?? 0x4000, 6);
  header[8] = spec.hopLimit ?? 64;
  header[9] = 17;
  header.set(addressBytes(spec.from), 12);
  header.set(addressBytes(spec.to), 16);
  header.set(options, 20);
  const check = ~onesSum(header) & 0xffff;
  header.writeUInt16BE(spec.headerChecksum === 'wrong' ? check ^ 0x0101 : check, 10);
  return Buffer.concat([header, udp]);
}

function ipv6Packet(spec: FrameSpec, udp: Buffer): Buffer {
  const extensions = spec.extensions ?? [];
  const chain = extensions.map(({ bytes }, index) => {
    const header = Buffer.from(bytes);
    header[0] = extensions[index + 1]?.type ?? 17;
    return header;
  });
  const body = Buffer.concat([...chain, udp]);
  const header = Buffer.alloc(40);
  header.writeUInt32BE(0x60000000 + (spec.trafficClass ?? 0) * 0x100000 + (spec.flowLabel ?? 0), 0);
  header.writeUInt16BE(spec.ipLength ?? body.length, 4);
  header[6] = extensions[0]?.type ?? 17;
  header[7] = spec.hopLimit ?? 64;
  header.set(addressBytes(spec.from), 8);
  header.set(addressBytes(spec.to), 24);
  return Buffer.concat([header, body]);
}

function udpOf(
  source: Buffer,
  destination: Buffer,
  udp: Buffer,
): Pick<ParsedFrame, 'from' | 'to' | 'payload' | 'checksum'> {
  if (udp.readUInt16BE(4) !== udp.length)
    throw new FrameFault(`UDP says ${udp.readUInt16BE(4)} of ${udp.length} bytes`);
  const family = source.length === 4 ? 4 : 6;
  const right = onesSum(Buffer.concat([pseudoHeader(source, destination, udp.length), udp])) === 0xffff;
  return {
    from: { family, address: formatAddress(source), port: udp.readUInt16BE(0) },
    to: { family, address: formatAddress(destination), port: udp.readUInt16BE(2) },
    payload: udp.subarray(8),
    checksum: udp.readUInt16BE(6) === 0 ? 'none' : right ? 'right' : 'wrong',
  };
}

/** RFC 768, RFC 8200 §8.1. */
function pseudoHeader(source: Uint8Array, destination: Uint8Array, udpLength: number): Buffer {
  const rest = Buffer.alloc(8);
  rest.writeUInt32BE(udpLength, 0);
  rest[7] = 17;
  return Buffer.concat([source, destination, rest]);
}

/** 0xFFFF when the checksum in it is right. */
function onesSum(bytes: Uint8Array): number {
  let sum = 0;
  for (let index = 0; index < bytes.length; index += 2) sum += ((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return sum;
}

function etherType({ family }: Endpoint): number {
  return family === 4 ? 0x0800 : 0x86dd;
}

function addressBytes({ address }: Endpoint): Uint8Array {
  const bytes = parseAddress(address);
  if (bytes === undefined) throw new FrameFault(`${address} is no address`);
  return bytes;
}

export function macBytes(text: string): Buffer {
  return Buffer.from(text.replaceAll(':', ''), 'hex');
}

function macText(bytes: Buffer): string {
  return bytes.toString('hex').replace(/..(?!$)/g, '$&:');
}
