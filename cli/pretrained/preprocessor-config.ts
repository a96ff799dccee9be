import { resamples, type ImagePreprocess } from '../../runtime/preprocess/spec.ts';

/** PIL.Image.Resampling's integers. */
const INTEGERS = { nearest: 0, lanczos: 1, bilinear: 2, bicubic: 3 } as const satisfies Record<(typeof resamples)[number], number>;

/** A preprocessing as Hugging Face's preprocessor_config.json: the inverse of `imagePreprocessFromHuggingFace`. */
export function imagePreprocessToHuggingFace({ size, resize, resample, rescaleFactor, mean, std }: ImagePreprocess): Record<string, unknown> {
  const edges = { none: { ...size }, exact: { ...size }, 'shortest-edge': resize.mode === 'shortest-edge' ? { shortest_edge: resize.edge } : {} };
  return {
    image_processor_type: 'ViTImageProcessor',
    do_resize: resize.mode !== 'none',
    size: resize.mode === 'exact' ? { height: resize.height, width: resize.width } : edges[resize.mode],
    ...(resize.mode === 'shortest-edge' ? { do_center_crop: true, crop_size: { ...size } } : {}),
    resample: INTEGERS[resample],
    do_rescale: true,
    rescale_factor: rescaleFactor,
    do_normalize: true,
    image_mean: mean,
    image_std: std,
  };
}
