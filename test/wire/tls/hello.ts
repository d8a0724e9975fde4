/** Builds ClientHellos, byte by byte. */
export interface HelloParts {
  /** Absent: no server_name extension. */
  readonly name?: string;
  /** Type and data, before and after the name. */
  readonly before?: readonly (readonly [number, Uint8Array])[];
  readonly after?: readonly (readonly [number, Uint8Array])[];
  readonly sessionId?: Uint8Array;
  readonly noExtensions?: true;
}

export function helloMessage(parts: HelloParts = {}): Buffer {
  const { name, before = [], after = [], sessionId = new Uint8Array(32) } = parts;
  const extensions = [...before, ...(name === undefined ? [] : [serverName(name)]), ...after];
  const body = [
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    vector(1, sessionId),
    // GREASE first, as browsers do (RFC 8701).
    vector(2, Buffer.from('1a1a130113021303', 'hex')),
    vector(1, Buffer.from([0])),
  ];
  if (parts.noExtensions === undefined) {
    body.push(
      vector(2, Buffer.concat(extensions.map(([type, data]) => Buffer.concat([uint(2, type), vector(2, data)])))),
    );
  }
  const all = Buffer.concat(body);
  return Buffer.concat([Buffer.from([1]), uint(3, all.length), all]);
}

/** In records with so many bytes each at most. */
export function inRecords(message: Uint8Array, size = 16_384): Buffer {
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    records.push(Buffer.from([22, 3, 1]), vector(2, message.subarray(at, at + size)));
  }
  return Buffer.concat(records);
}

export function hello(parts: HelloParts = {}): Buffer {
  return inRecords(helloMessage(parts));
}

export function serverName(name: string): readonly [number, Uint8Array] {
  return [0, vector(2, Buffer.concat([Buffer.from([0]), vector(2, Buffer.from(name, 'latin1'))]))];
}

function vector(lengthBytes: number, data: Uint8Array): Buffer {
  return Buffer.concat([uint(lengthBytes, data.length), data]);
}

function uint(bytes: number, value: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(value, 0, bytes);
  return buffer;
}
