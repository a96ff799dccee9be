import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { onTestFinished } from 'vitest';

/** A folder with these files (text or bytes by path), removed after the test. */
export function folderOf(files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'slim-data-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  return folder;
}

/** A small JPEG in one shade of grey. */
export function jpegOf(shade: number, width = 24, height = 16): Promise<Uint8Array> {
  return sharp({ create: { width, height, channels: 3, background: { r: shade, g: shade, b: shade } } })
    .jpeg({ quality: 100 })
    .toBuffer();
}

/** A PNG whose header is right and whose data is not. */
export async function damagedPng(): Promise<Uint8Array> {
  const bytes = await sharp(
    Uint8Array.from({ length: 3000 }, (_, i) => (i * 7) % 256),
    { raw: { width: 40, height: 25, channels: 3 } },
  )
    .png()
    .toBuffer();
  for (let i = 60; i < 90; i++) bytes[i] ^= 0x55;
  return bytes;
}
