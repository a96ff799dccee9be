/** A decoded picture: 8 bits a channel, red, green, blue, row after row. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** (height, width, 3) */
  readonly data: Uint8Array;
}

/** In pixels. */
export interface Size {
  readonly height: number;
  readonly width: number;
}

/** An empty (black) picture to draw into. */
export function blankPicture({ height, width }: Size): Picture {
  return { width, height, data: new Uint8Array(height * width * 3) };
}

/**
 * The window of `size` whose upper left corner is (left, top). What lies outside the picture is black,
 * as in Hugging Face's centre crop and in a random crop with padding.
 */
export function cropPicture(picture: Picture, left: number, top: number, size: Size): Picture {
  if (left === 0 && top === 0 && size.width === picture.width && size.height === picture.height) return picture;
  const cropped = blankPicture(size);
  const from = Math.max(0, left);
  const to = Math.min(picture.width, left + size.width);
  if (from >= to) return cropped;
  for (let y = Math.max(0, top); y < Math.min(picture.height, top + size.height); y++) {
    const row = picture.data.subarray((y * picture.width + from) * 3, (y * picture.width + to) * 3);
    cropped.data.set(row, ((y - top) * size.width + from - left) * 3);
  }
  return cropped;
}
