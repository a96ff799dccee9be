import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Picture } from '../../runtime/preprocess/picture.ts';
import { resizePicture } from '../../runtime/preprocess/resize.ts';
import type { Resample } from '../../runtime/preprocess/spec.ts';

/**
 * Made with Pillow 12.3.0:
 *   source = lambda w, h: Image.frombytes('RGB', (w, h), bytes((i*i*31 + i*7) // 5 % 256 for i in range(w*h*3)))
 *   resample = {'nearest': 0, 'lanczos': 1, 'bilinear': 2, 'bicubic': 3}[name]
 *   hashlib.sha256(source(w, h).resize((W, H), resample).tobytes()).hexdigest()[:16]
 */
const pillow: readonly (readonly [Resample, w: number, h: number, W: number, H: number, sha256: string])[] = [
  ['nearest', 7, 5, 3, 4, 'c821b81cd5db24e4'],
  ['lanczos', 7, 5, 3, 4, 'add91a364bc4f182'],
  ['bilinear', 7, 5, 3, 4, '76689a9af01f50b7'],
  ['bicubic', 7, 5, 3, 4, 'c2c6ef3e44efd413'],
  ['nearest', 37, 23, 16, 16, '08a9546504b9b8e8'],
  ['lanczos', 37, 23, 16, 16, '5ed256cd43bf11b6'],
  ['bilinear', 37, 23, 16, 16, '1a7de3273c3f1667'],
  ['bicubic', 37, 23, 16, 16, 'd1c656e96794d887'],
  ['nearest', 16, 16, 37, 23, '83cbe1cb336c7580'],
  ['lanczos', 16, 16, 37, 23, 'b7bccd2d9c57640f'],
  ['bilinear', 16, 16, 37, 23, '3f95e139f8ff387e'],
  ['bicubic', 16, 16, 37, 23, 'c2bbfa51c37e8ab3'],
  ['nearest', 100, 80, 32, 80, '222636edc8a332d1'],
  ['lanczos', 100, 80, 32, 80, '3afae4ddecbb25c5'],
  ['bilinear', 100, 80, 32, 80, '2c785cdfa72cbe81'],
  ['bicubic', 100, 80, 32, 80, 'fe90031c35002de4'],
  ['nearest', 50, 61, 50, 17, '387ea590d1f964f1'],
  ['lanczos', 50, 61, 50, 17, '37793dd8171ffc15'],
  ['bilinear', 50, 61, 50, 17, '96823bb0dc93c113'],
  ['bicubic', 50, 61, 50, 17, 'dd70ad3bf37e7f11'],
  ['nearest', 333, 250, 224, 224, '138fb60a9c38ff33'],
  ['lanczos', 333, 250, 224, 224, '8ce2989011181108'],
  ['bilinear', 333, 250, 224, 224, '96bf65bb1d2765e5'],
  ['bicubic', 333, 250, 224, 224, '1b6bfa27a51a7604'],
  ['nearest', 1, 9, 5, 2, '0b82b4c52c9cfe91'],
  ['lanczos', 1, 9, 5, 2, '7b3ff4fa2592efc2'],
  ['bilinear', 1, 9, 5, 2, 'b0422c6de6351899'],
  ['bicubic', 1, 9, 5, 2, '0d146559f4757fe6'],
];

function source(width: number, height: number): Picture {
  return {
    width,
    height,
    data: Uint8Array.from({ length: width * height * 3 }, (_, i) => Math.floor((i * i * 31 + i * 7) / 5) % 256),
  };
}

describe('resizePicture', () => {
  it.each(pillow)("%s from %i×%i to %i×%i is Pillow's, byte for byte", (resample, w, h, width, height, sha256) => {
    const { data } = resizePicture(source(w, h), { width, height }, resample);
    expect(data).toHaveLength(width * height * 3);
    expect(createHash('sha256').update(data).digest('hex').slice(0, 16)).toBe(sha256);
  });

  it('gives the values that Pillow gives', () => {
    expect([...resizePicture(source(7, 5), { width: 3, height: 2 }, 'bilinear').data]).toEqual([
      111, 87, 143, 144, 97, 173, 150, 134, 134, 154, 63, 129, 184, 102, 73, 173, 133, 104,
    ]);
    expect([...resizePicture(source(7, 5), { width: 3, height: 2 }, 'bicubic').data]).toEqual([
      106, 88, 142, 143, 92, 181, 149, 139, 135, 154, 62, 131, 187, 100, 64, 175, 137, 102,
    ]);
  });

  it('leaves a picture of the right size as it is', () => {
    const picture = source(9, 4);
    expect(resizePicture(picture, { width: 9, height: 4 }, 'bicubic')).toBe(picture);
  });
});
