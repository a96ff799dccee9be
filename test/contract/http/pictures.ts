/** Pictures for the HTTP suite: good ones, whose pixels are known, and odd ones. */
import { crc32, deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import type { Picture } from '../../../runtime/preprocess/picture.ts';

/** A file and what it shows, as it is meant to be seen. */
export interface PictureFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly picture: Picture;
}

const WIDTH = 40;
const HEIGHT = 30;

/** Stripes and a slope in three colours: no two ways to turn or mirror it look alike. */
function pixels(seed: number): Buffer {
  return Buffer.from(
    Array.from({ length: WIDTH * HEIGHT }, (_, i) => {
      const [x, y] = [i % WIDTH, Math.floor(i / WIDTH)];
      return [(6 * x + 40 * seed) % 256, (8 * y + 20 * seed) % 256, x < y ? 220 : 30];
    }).flat(),
  );
}

const raw = (seed: number): Sharp => sharp(pixels(seed), { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });

/** What sharp makes of a file: another decoder than those that serve. */
async function seenBySharp(bytes: Uint8Array): Promise<Picture> {
  const { data, info } = await sharp(bytes)
    .rotate()
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data: new Uint8Array(data) };
}

async function fileOf(encoded: Sharp): Promise<PictureFile> {
  const bytes = new Uint8Array(await encoded.toBuffer());
  return { bytes, picture: await seenBySharp(bytes) };
}

export interface PictureFiles {
  readonly good: Readonly<Record<'png' | 'other' | 'jpeg' | 'webp' | 'grey' | 'transparent' | 'turned', PictureFile>>;
  readonly odd: Readonly<
    Record<
      'truncated' | 'cmyk' | 'wideJpeg' | 'widePng' | 'bomb' | 'gif' | 'damaged' | 'twelveMegapixels',
      Uint8Array<ArrayBuffer>
    >
  >;
}

export async function makePictures(): Promise<PictureFiles> {
  const [png, other, jpeg, webp, grey, transparent, turned] = await Promise.all([
    fileOf(raw(0).png()),
    fileOf(raw(1).png()),
    fileOf(raw(2).jpeg({ quality: 90, chromaSubsampling: '4:4:4' })),
    fileOf(raw(3).webp({ lossless: true })),
    fileOf(raw(4).greyscale().png()),
    fileOf(raw(5).ensureAlpha(0.4).png()),
    fileOf(raw(6).jpeg({ quality: 90, chromaSubsampling: '4:4:4' }).withMetadata({ orientation: 6 })),
  ]);
  const bytes = async (encoded: Sharp): Promise<Uint8Array<ArrayBuffer>> => new Uint8Array(await encoded.toBuffer());
  const damaged = png.bytes.slice();
  for (let at = 60; at < 90; at++) damaged[at] ^= 0x55;
  return {
    good: { png, other, jpeg, webp, grey, transparent, turned },
    odd: {
      truncated: jpeg.bytes.slice(0, -40),
      cmyk: await bytes(raw(0).toColourspace('cmyk').jpeg()),
      wideJpeg: wideJpeg(jpeg.bytes, 50_000),
      widePng: pngOf(50_000, Buffer.alloc(10)),
      bomb: pngOf(30_000, Buffer.alloc(30_000 * (1 + Math.ceil(30_000 / 8)))),
      gif: await bytes(raw(0).gif()),
      damaged,
      twelveMegapixels: await bytes(
        sharp({ create: { width: 4000, height: 3000, channels: 3, background: '#406080' } }).png(),
      ),
    },
  };
}

/** A JPEG whose frame header (SOF0) says that it is so wide and high. */
function wideJpeg(jpeg: Uint8Array<ArrayBuffer>, side: number): Uint8Array<ArrayBuffer> {
  const wide = jpeg.slice();
  const view = new DataView(wide.buffer);
  const frame = wide.findIndex((byte, i) => byte === 0xff && wide[i + 1] === 0xc0);
  view.setUint16(frame + 5, side);
  view.setUint16(frame + 7, side);
  return wide;
}

/** A PNG in black and white whose header says that it is so wide and high, with these rows. */
function pngOf(side: number, rows: Buffer): Uint8Array<ArrayBuffer> {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header[8] = 1; // one bit, greyscale
  return new Uint8Array(
    Buffer.concat([
      Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
      chunk('IHDR', header),
      chunk('IDAT', deflateSync(rows, { level: 9 })),
      chunk('IEND', Buffer.alloc(0)),
    ]),
  );
}

function chunk(type: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type), data]);
  const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  checksum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, checksum]);
}
