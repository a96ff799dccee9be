/** What a file is by its first bytes, whatever its name says. */

/** Formats of pictures that are read here and not by what serves. */
export type OtherFormat = 'gif' | 'bmp' | 'tiff' | 'avif';

/** Names of files that are taken for pictures. */
export const PICTURE_NAME = /\.(jpe?g|jpe|jfif|png|webp|gif|bmp|dib|tiff?|avif)$/i;

/** The endings of `PICTURE_NAME`, for messages. */
export const PICTURE_ENDINGS = '.jpg, .jpeg, .jpe, .jfif, .png, .webp, .gif, .bmp, .tif, .tiff, .avif';

/** The format of a picture that what serves does not read; null for those that it does, and for all else. */
export function otherFormat(bytes: Uint8Array): OtherFormat | null {
  if (begins(bytes, 'GIF87a') || begins(bytes, 'GIF89a')) return 'gif';
  if (begins(bytes, 'II*\0') || begins(bytes, 'MM\0*')) return 'tiff';
  // Two letters begin many a text; of a bitmap the four bytes from 6 on are reserved.
  if (begins(bytes, 'BM') && bytes.length >= 26 && bytes.subarray(6, 10).every((byte) => byte === 0)) return 'bmp';
  return begins(bytes, 'ftyp', 4) && brandsOf(bytes).some((brand) => brand === 'avif' || brand === 'avis')
    ? 'avif'
    : null;
}

/** What a file is that can't be read as a picture, in words; null where it is not known. */
export function foreignKind(bytes: Uint8Array): string | null {
  const found = SIGNATURES.find(({ signature, at = 0 }) => begins(bytes, signature, at));
  if (found !== undefined) return found.kind;
  if (begins(bytes, 'ftyp', 4))
    return brandsOf(bytes).some((brand) => /^(hei[cxms]|hev[cx])$/.test(brand)) ? 'a HEIC' : 'a video';
  const start = ascii(bytes.subarray(0, 512)).trimStart().toLowerCase();
  if (start.startsWith('<!doctype html') || start.startsWith('<html')) return 'a web page, as a failed download leaves';
  if (start.startsWith('<svg') || (start.startsWith('<?xml') && start.includes('<svg'))) return 'an SVG';
  return null;
}

const SIGNATURES: readonly { readonly signature: string; readonly at?: number; readonly kind: string }[] = [
  { signature: 'version https://git-lfs', kind: 'a pointer of Git LFS (git lfs pull brings the file)' },
  { signature: '\xff\x0a', kind: 'a JPEG XL' },
  { signature: 'JXL ', at: 4, kind: 'a JPEG XL' },
  { signature: 'jP  ', at: 4, kind: 'a JPEG 2000' },
  { signature: '\xff\x4f\xff\x51', kind: 'a JPEG 2000' },
  { signature: '8BPS', kind: 'a Photoshop file' },
  { signature: '%PDF', kind: 'a PDF' },
  { signature: 'PK\x03\x04', kind: 'a ZIP' },
  { signature: '\x1f\x8b', kind: 'a gzip file' },
  { signature: '\0\x05\x16\x07', kind: "macOS's notes on a file (AppleDouble)" },
];

/** The brands of a file of ISO's base media format: AVIF, HEIC and videos are told apart by them. */
function brandsOf(bytes: Uint8Array): readonly string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = Math.min(bytes.length, view.getUint32(0), 128);
  const brands = [ascii(bytes.subarray(8, 12))];
  for (let at = 16; at + 4 <= end; at += 4) brands.push(ascii(bytes.subarray(at, at + 4)));
  return brands;
}

function begins(bytes: Uint8Array, signature: string, at = 0): boolean {
  return ascii(bytes.subarray(at, at + signature.length)) === signature;
}

function ascii(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
