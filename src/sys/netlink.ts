import { Arena } from './arena.ts';
import { checked } from './errno.ts';
import { Fd } from './fd.ts';
import { libc } from './libc.ts';

/** A socket of a netlink protocol, for as long as `use` takes. Throws SystemError. */
export function withNetlink<T>(protocol: number, use: (socket: Netlink) => T): T {
  const type = SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK;
  const fd = new Fd(checked('socket', libc().socket(AF_NETLINK, type, protocol)), 'netlink');
  try {
    return use(new Netlink(fd));
  } finally {
    fd.close();
  }
}

/**
 * The kernel answers before a request returns, so nothing is waited for.
 *
 *    nlmsghdr       length:4 type:2 flags:2 sequence:4 port:4
 *    a header of the protocol's own
 *    attribute      length:2 type:2 value, padded to 4
 */
export class Netlink {
  readonly #fd: Fd;

  constructor(fd: Fd) {
    this.#fd = fd;
  }

  /** What it answers is not read. */
  send(request: Uint8Array): void {
    const { address, bytes } = scratch();
    bytes.set(request);
    checked('write', libc().write(this.#fd.number, address, request.length));
  }

  /** The answer, or all that a dump consists of; those before an error. */
  ask(request: Uint8Array): Buffer[] {
    this.send(request);
    const answers: Buffer[] = [];
    for (;;) {
      for (const message of this.#read()) {
        const type = message.readUInt16LE(4);
        if (type === NLMSG_ERROR || type === NLMSG_DONE) return answers;
        answers.push(message);
        if ((message.readUInt16LE(6) & NLM_F_MULTI) === 0) return answers;
      }
    }
  }

  /** Whole messages. */
  #read(): Buffer[] {
    const { address, bytes } = scratch();
    const read = Buffer.from(bytes.subarray(0, checked('read', libc().read(this.#fd.number, address, bytes.length))));
    const messages: Buffer[] = [];
    for (let at = 0; at + MESSAGE_HEADER <= read.length; ) {
      const length = read.readUInt32LE(at);
      if (length < MESSAGE_HEADER) break;
      messages.push(read.subarray(at, at + length));
      at += (length + 3) & ~3;
    }
    return messages;
  }
}

/** A message with one attribute. `header`: the protocol's own. */
export function netlinkMessage(
  type: number,
  flags: number,
  header: Uint8Array,
  attribute?: { readonly type: number; readonly value: Uint8Array },
): Buffer {
  const value = attribute?.value ?? NOTHING;
  const start = MESSAGE_HEADER + header.length;
  const message = Buffer.alloc(start + (attribute === undefined ? 0 : 4 + ((value.length + 3) & ~3)));
  message.writeUInt32LE(message.length, 0);
  message.writeUInt16LE(type, 4);
  message.writeUInt16LE(NLM_F_REQUEST | flags, 6);
  message.set(header, MESSAGE_HEADER);
  if (attribute !== undefined) {
    message.writeUInt16LE(4 + value.length, start);
    message.writeUInt16LE(attribute.type, start + 2);
    message.set(value, start + 4);
  }
  return message;
}

/** Of a message with a header of so many bytes of the protocol's own. */
export function netlinkAttributes(message: Buffer, header: number): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = MESSAGE_HEADER + header; at + 4 <= message.length; ) {
    const length = message.readUInt16LE(at);
    if (length < 4) break;
    found.set(message.readUInt16LE(at + 2) & TYPE_MASK, message.subarray(at + 4, at + length));
    at += (length + 3) & ~3;
  }
  return found;
}

export const MESSAGE_HEADER = 16;
export const NLM_F_DUMP = 0x300;
export const NLM_F_CREATE = 0x400;

function scratch(): Arena {
  room ??= new Arena(16_384);
  return room;
}

let room: Arena | undefined;

const NOTHING: Uint8Array = Buffer.alloc(0);
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const NLM_F_REQUEST = 1;
const NLM_F_MULTI = 2;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
/** Without the bits for nested attributes and byte order. */
const TYPE_MASK = 0x3fff;
