/** Writes zip files, honest ones and others. */
export interface ZipPart {
  readonly name: string;
  readonly content: Uint8Array;
}

/** What the file says; what is not given is true. */
export interface ZipLies {
  readonly method?: number;
  readonly flags?: number;
  readonly comment?: string;
  /** With the zip64 records that PyTorch writes: the numbers are there alone. */
  readonly zip64?: boolean;
  readonly directoryOffset?: number;
  readonly directoryBytes?: number;
  /** Of every entry. */
  readonly headerOffset?: number;
  readonly entryBytes?: number;
  readonly end64Offset?: number;
}

export function zipOf(parts: readonly ZipPart[], lies: ZipLies = {}): Buffer {
  const { method = 0, flags = 0, comment = '', zip64 = false } = lies;
  const written: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  const write = (into: Buffer): void => {
    written.push(into);
    at += into.length;
  };
  for (const { name, content } of parts) {
    const [header, bytes] = [lies.headerOffset ?? at, lies.entryBytes ?? content.length];
    // Padded, as PyTorch aligns tensors.
    const extra = Buffer.concat([Buffer.of(0x46, 0x42, 8, 0), Buffer.alloc(8, 0x5a)]);
    write(
      record(
        [
          [4, 0x04034b50],
          [2, 20],
          [2, flags],
          [2, method],
          [4, 0],
          [4, 0],
          [4, content.length],
          [4, content.length],
          [2, name.length],
          [2, extra.length],
        ],
        name,
        extra,
      ),
    );
    write(Buffer.from(content));
    const wide = zip64
      ? record([
          [2, 1],
          [2, 24],
          [8, bytes],
          [8, bytes],
          [8, header],
        ])
      : Buffer.alloc(0);
    const narrow = (value: number): number => (zip64 ? 0xffffffff : value);
    directory.push(
      record(
        [
          [4, 0x02014b50],
          [2, 20],
          [2, 20],
          [2, flags],
          [2, method],
          [4, 0],
          [4, 0],
          [4, narrow(bytes)],
          [4, narrow(bytes)],
          [2, name.length],
          [2, extra.length + wide.length],
          [2, 0],
          [2, 0],
          [2, 0],
          [4, 0],
          [4, narrow(header)],
        ],
        name,
        extra,
        wide,
      ),
    );
  }
  const size = directory.reduce((sum, { length }) => sum + length, 0);
  const [offset, bytes] = [lies.directoryOffset ?? at, lies.directoryBytes ?? size];
  directory.forEach(write);
  if (zip64) {
    const end64 = at;
    write(
      record([
        [4, 0x06064b50],
        [8, 44],
        [2, 45],
        [2, 45],
        [4, 0],
        [4, 0],
        [8, parts.length],
        [8, parts.length],
        [8, bytes],
        [8, offset],
      ]),
    );
    write(
      record([
        [4, 0x07064b50],
        [4, 0],
        [8, lies.end64Offset ?? end64],
        [4, 1],
      ]),
    );
  }
  const narrow = (value: number): number => (zip64 ? 0xffffffff : value);
  write(
    record(
      [
        [4, 0x06054b50],
        [2, 0],
        [2, 0],
        [2, parts.length],
        [2, parts.length],
        [4, narrow(bytes)],
        [4, narrow(offset)],
        [2, comment.length],
      ],
      comment,
    ),
  );
  return Buffer.concat(written);
}

/** Little-endian numbers of 2, 4 or 8 bytes, then bytes. */
function record(
  fields: readonly (readonly [bytes: number, value: number])[],
  ...rest: readonly (string | Buffer)[]
): Buffer {
  const numbers = fields.map(([bytes, value]) => {
    const field = Buffer.alloc(8);
    field.writeBigUInt64LE(BigInt(value));
    return field.subarray(0, bytes);
  });
  return Buffer.concat([...numbers, ...rest.map((part) => Buffer.from(part as string))]);
}
