/** The sections of a 64-bit little-endian ELF file by name: what is compared, and what BTF is read from. */
export function elfSections(file: Buffer): Map<string, Buffer> {
  const offset = Number(file.readBigUInt64LE(0x28));
  const size = file.readUInt16LE(0x3a);
  const count = file.readUInt16LE(0x3c);
  const headers = Array.from({ length: count }, (_, index) => file.subarray(offset + index * size));
  const names = bytesOf(file, headers[file.readUInt16LE(0x3e)]);
  return new Map(
    headers.map((header) => {
      const at = header.readUInt32LE(0);
      return [names.toString('latin1', at, names.indexOf(0, at)), bytesOf(file, header)];
    }),
  );
}

function bytesOf(file: Buffer, header: Buffer | undefined): Buffer {
  if (header === undefined) return Buffer.alloc(0);
  const at = Number(header.readBigUInt64LE(0x18));
  return file.subarray(at, at + Number(header.readBigUInt64LE(0x20)));
}
