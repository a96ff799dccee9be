/**
 * A cache's file, all numbers little-endian:
 *
 *   magic         16 bytes
 *   pixels        (height, width, 3) a picture, one after another
 *   description   JSON: which pictures of which data set these are, and what was done to them
 *   index         32 bytes a picture: its file's bytes and time of change (f64 each), its width, height and CRC-32 (u32
 *                 each), 4 bytes of zero
 *   footer        32 bytes: where the description begins (f64), its bytes, number of pictures, CRC-32 of description and
 *                 index, CRC-32 of the footer up to here (u32 each), 8 bytes of magic
 */
import { crc32 } from 'node:zlib';

/** Another layout, another decoder's or resize's pixels: another number here. */
export const MAGIC = Buffer.from('slim pictures 1\n');
const END = MAGIC.subarray(8);
/** Of the footer. */
export const FOOTER_BYTES = 32;
/** Of the index, a picture. */
export const ENTRY_BYTES = 32;

/** What the index says of one picture. */
export interface Entry {
  /** Of the file that it was decoded from. */
  readonly sourceBytes: number;
  /** When that was last changed, in milliseconds. */
  readonly sourceTime: number;
  readonly width: number;
  readonly height: number;
  /** CRC-32 of its pixels. */
  readonly checksum: number;
}

/** Where the description lies, and how much follows it. */
export interface Footer {
  readonly descriptionAt: number;
  readonly descriptionBytes: number;
  readonly count: number;
  readonly checksum: number;
}

/** What a picture's pixels take. */
export function pixelBytes({ width, height }: Pick<Entry, 'width' | 'height'>): number {
  return width * height * 3;
}

/** Description, index and footer: all that follows the pixels, which end at `pixelsEnd`. */
export function encodeTail(description: string, entries: readonly Entry[], pixelsEnd: number): Uint8Array {
  const text = Buffer.from(description);
  const index = Buffer.alloc(entries.length * ENTRY_BYTES);
  for (const [i, { sourceBytes, sourceTime, width, height, checksum }] of entries.entries()) {
    const at = i * ENTRY_BYTES;
    index.writeDoubleLE(sourceBytes, at);
    index.writeDoubleLE(sourceTime, at + 8);
    index.writeUInt32LE(width, at + 16);
    index.writeUInt32LE(height, at + 20);
    index.writeUInt32LE(checksum, at + 24);
  }
  const footer = Buffer.alloc(FOOTER_BYTES);
  footer.writeDoubleLE(pixelsEnd, 0);
  footer.writeUInt32LE(text.length, 8);
  footer.writeUInt32LE(entries.length, 12);
  footer.writeUInt32LE(crc32(index, crc32(text)), 16);
  footer.writeUInt32LE(crc32(footer.subarray(0, 20)), 20);
  footer.set(END, 24);
  return Buffer.concat([text, index, footer]);
}

/** The footer of a file of `fileBytes`; null where it is none, or what it says can't be. */
export function readFooter(footer: Buffer, fileBytes: number): Footer | null {
  const descriptionAt = footer.readDoubleLE(0);
  const descriptionBytes = footer.readUInt32LE(8);
  const count = footer.readUInt32LE(12);
  const whole = footer.subarray(24).equals(END) && footer.readUInt32LE(20) === crc32(footer.subarray(0, 20));
  const expected = descriptionAt + descriptionBytes + count * ENTRY_BYTES + FOOTER_BYTES;
  if (!whole || !(descriptionAt >= MAGIC.length) || expected !== fileBytes) return null;
  return { descriptionAt, descriptionBytes, count, checksum: footer.readUInt32LE(16) };
}

/** The description and the index of a `tail` that the footer speaks of; null where they are damaged. */
export function readTail(
  tail: Buffer,
  { descriptionAt, descriptionBytes, count, checksum }: Footer,
): { readonly description: string; readonly entries: readonly Entry[]; readonly offsets: Float64Array } | null {
  if (crc32(tail) !== checksum) return null;
  const entries: Entry[] = [];
  const offsets = new Float64Array(count);
  let offset = MAGIC.length;
  for (let i = 0; i < count; i++) {
    const at = descriptionBytes + i * ENTRY_BYTES;
    const entry = {
      sourceBytes: tail.readDoubleLE(at),
      sourceTime: tail.readDoubleLE(at + 8),
      width: tail.readUInt32LE(at + 16),
      height: tail.readUInt32LE(at + 20),
      checksum: tail.readUInt32LE(at + 24),
    };
    entries.push(entry);
    offsets[i] = offset;
    offset += pixelBytes(entry);
    if (pixelBytes(entry) === 0 || offset > descriptionAt) return null;
  }
  if (offset !== descriptionAt) return null;
  return { description: tail.toString('utf8', 0, descriptionBytes), entries, offsets };
}
