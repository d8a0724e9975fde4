/** What the type information of an object says (Documentation/bpf/btf.rst of Linux): structs with offsets in bytes. */
export interface Btf {
  readonly structs: ReadonlyMap<string, BtfStruct>;
}

export interface BtfStruct {
  readonly bytes: number;
  readonly offsets: Readonly<Record<string, number>>;
}

export function readBtf(section: Buffer): Btf {
  const header = section.readUInt32LE(4);
  const types = section.subarray(header + section.readUInt32LE(8)).subarray(0, section.readUInt32LE(12));
  const strings = section.subarray(header + section.readUInt32LE(16));
  const text = (at: number): string => strings.toString('latin1', at, strings.indexOf(0, at));
  const structs = new Map<string, BtfStruct>();
  for (let at = 0; at < types.length; ) {
    const name = text(types.readUInt32LE(at));
    const info = types.readUInt32LE(at + 4);
    const members = info & 0xffff;
    const kind = (info >>> 24) & 0x1f;
    const body = at + 12;
    if (kind === STRUCT) {
      const entries = Array.from({ length: members }, (_, index): [string, number] => {
        const member = body + index * 12;
        return [text(types.readUInt32LE(member)), types.readUInt32LE(member + 8) / 8];
      });
      structs.set(name, { bytes: types.readUInt32LE(at + 8), offsets: Object.fromEntries(entries) });
    }
    at = body + bodyBytes(kind, members);
  }
  return { structs };
}

const STRUCT = 4;

/** Behind the three words that every type has. */
function bodyBytes(kind: number, members: number): number {
  switch (kind) {
    case 1: // integer
    case 14: // variable
    case 17: // declaration tag
      return 4;
    case 3: // array
      return 12;
    case STRUCT:
    case 5: // union
    case 15: // section
    case 19: // enum of 64 bits
      return members * 12;
    case 6: // enum
    case 13: // function prototype
      return members * 8;
    default:
      return 0;
  }
}
