import { checked } from '../../../src/sys/errno.ts';
import { loadLibrary } from '../../../src/sys/ffi.ts';

interface RawCalls {
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array, size: number): number;
  send(fd: number, bytes: Uint8Array, size: number, flags: number): number;
  recv(fd: number, bytes: Uint8Array, size: number, flags: number): number;
  close(fd: number): number;
}

/** Frames of an interface of this thread's network namespace, as they are: what it gets, and what is put on its wire. */
export class RawWire {
  readonly #calls: RawCalls;
  readonly #fd: number;
  readonly #room: Buffer = Buffer.alloc(1 << 16);

  constructor(ifindex: number) {
    const libc = loadLibrary<RawCalls>([null], {
      socket: 'int socket(int family, int type, int protocol)',
      bind: 'int bind(int fd, void *address, uint32_t size)',
      send: 'long send(int fd, void *bytes, size_t size, int flags)',
      recv: 'long recv(int fd, _Out_ void *bytes, size_t size, int flags)',
      close: 'int close(int fd)',
    });
    if (!libc.ok) throw new Error(libc.detail);
    this.#calls = libc.functions;
    this.#fd = checked('socket', this.#calls.socket(AF_PACKET, SOCK_RAW, ETH_P_ALL));
    // struct sockaddr_ll: family 2, protocol 2, ifindex 4, the rest 0.
    const address = Buffer.alloc(20);
    address.writeUInt16LE(AF_PACKET, 0);
    address.writeUInt16LE(ETH_P_ALL, 2);
    address.writeUInt32LE(ifindex, 4);
    checked('bind', this.#calls.bind(this.#fd, address, address.length));
  }

  send(frame: Buffer): void {
    checked('send', this.#calls.send(this.#fd, frame, frame.length, 0));
  }

  /** The next frame that came or went; undefined when there is none yet. */
  receive(): Buffer | undefined {
    const bytes = this.#calls.recv(this.#fd, this.#room, this.#room.length, MSG_DONTWAIT);
    return bytes < 0 ? undefined : Buffer.from(this.#room.subarray(0, bytes));
  }

  close(): void {
    this.#calls.close(this.#fd);
  }
}

const AF_PACKET = 17;
const SOCK_RAW = 3;
/** In network byte order. */
const ETH_P_ALL = 0x0300;
const MSG_DONTWAIT = 0x40;
