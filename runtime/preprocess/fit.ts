import { PreprocessError } from './error.ts';
import type { Picture, Size } from './picture.ts';
import { cropPicture } from './picture.ts';
import { resizePicture } from './resize.ts';
import type { ImagePreprocess } from './spec.ts';

/** A sliver of a few pixels by thousands would grow to gigabytes when its shorter edge is resized. */
const maxResizedSide = 16_384;

/** The picture in the network's size: resized as `spec` says, then cropped around its centre. */
export function fitPicture(picture: Picture, spec: ImagePreprocess): Picture {
  const resized = resizePicture(picture, resizedSize(picture, spec), spec.resample);
  const left = Math.floor((resized.width - spec.size.width) / 2);
  const top = Math.floor((resized.height - spec.size.height) / 2);
  return cropPicture(resized, left, top, spec.size);
}

function resizedSize(picture: Size, { resize }: ImagePreprocess): Size {
  switch (resize.mode) {
    case 'none':
      return picture;
    case 'exact':
      return resize;
    case 'shortest-edge': {
      // The longer edge is rounded down, as in Hugging Face's get_resize_output_image_size.
      const { height, width } = picture;
      const longer = Math.floor((resize.edge * Math.max(height, width)) / Math.min(height, width));
      if (longer > maxResizedSide) {
        throw new PreprocessError(
          'too-large',
          `a ${width}×${height} picture is too narrow for a shorter edge of ${resize.edge} pixels`,
        );
      }
      return width <= height ? { width: resize.edge, height: longer } : { height: resize.edge, width: longer };
    }
    default:
      return resize satisfies never;
  }
}
