import { PreprocessError } from './error.ts';
import type { Picture, Size } from './picture.ts';
import { cropPicture } from './picture.ts';
import { resizePicture } from './resize.ts';
import type { ImagePreprocess } from './spec.ts';

/** A sliver of a few pixels by thousands would grow to gigabytes when its shorter edge is resized. */
const maxResizedSide = 16_384;

/** The picture in the network's size and channels: resized as `spec` says, then cropped around its centre. */
export function fitPicture(picture: Picture, spec: ImagePreprocess): Picture {
  const resized = resizePicture(inChannels(picture, spec), resizedSize(picture, spec), spec.resample);
  const round = spec.resize.mode === 'shortest-edge-rounded' ? halfToEven : Math.floor;
  const left = round((resized.width - spec.size.width) / 2);
  const top = round((resized.height - spec.size.height) / 2);
  return cropPicture(resized, left, top, spec.size);
}

/**
 * The picture itself, or where the network takes one channel, grey as Pillow's `convert('L')` makes it (ITU-R 601), in
 * all three.
 */
export function inChannels(picture: Picture, { mean }: ImagePreprocess): Picture {
  if (mean.length === 3) return picture;
  const { width, height, data } = picture;
  const grey = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i += 3)
    grey.fill((data[i] * 19_595 + data[i + 1] * 38_470 + data[i + 2] * 7471 + 0x8000) >> 16, i, i + 3);
  return { width, height, data: grey };
}

function halfToEven(x: number): number {
  const floor = Math.floor(x);
  return x - floor === 0.5 ? floor + (floor & 1) : Math.round(x);
}

function resizedSize(picture: Size, { resize, size }: ImagePreprocess): Size {
  switch (resize.mode) {
    case 'none':
      return picture;
    case 'given':
      if (picture.width !== size.width || picture.height !== size.height)
        throw new PreprocessError(
          'wrong-size',
          `a ${picture.width}×${picture.height} picture: the model takes ${size.width}×${size.height} and resizes none`,
        );
      return picture;
    case 'exact':
      return resize;
    case 'shortest-edge':
    case 'shortest-edge-rounded':
      return withShorterEdge(picture, resize.edge);
    case 'edges': {
      const [short, long] = [picture.width, picture.height].sort((a, b) => a - b);
      // As transformers' get_size_with_aspect_ratio: the share of the longest edge is kept whole until the end.
      const limited = (long / short) * resize.shortest > resize.longest;
      if (!limited) return withShorterEdge(picture, resize.shortest);
      const exact = (resize.longest * short) / long;
      const shorter = Math.max(1, halfToEven(exact));
      if (short === shorter) return picture;
      const longer = Math.floor((exact * long) / short);
      return picture.width < picture.height ? { width: shorter, height: longer } : { height: shorter, width: longer };
    }
    default:
      return resize satisfies never;
  }
}

/** The longer edge is rounded down, as in Hugging Face's get_resize_output_image_size. */
function withShorterEdge({ width, height }: Size, edge: number): Size {
  const longer = Math.floor((edge * Math.max(height, width)) / Math.min(height, width));
  if (longer > maxResizedSide) {
    throw new PreprocessError(
      'too-large',
      `a ${width}×${height} picture is too narrow for a shorter edge of ${edge} pixels`,
    );
  }
  return width <= height ? { width: edge, height: longer } : { height: edge, width: longer };
}
