/** transformers' image processors that resize, crop, rescale and normalise, with what each takes where a file is silent. */
import { mismatch } from '../../runtime/artifact/schema.ts';

type Json = Readonly<Record<string, unknown>>;

/** What is known of a type of image processors. */
export interface ImageProcessor {
  readonly defaults: Json;
  /** Whether a size that is one number is a square; else it is the shorter edge. */
  readonly squares: boolean;
  /** Whether size and crop_pct say together how pictures are resized and cropped, as ConvNeXT's. */
  readonly byCropShare?: true;
  /** Whether rescale_offset and include_top are its, as EfficientNet's. */
  readonly offsets?: true;
}

const HALF = { image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] };
const CLIP = {
  image_mean: [0.48145466, 0.4578275, 0.40821073],
  image_std: [0.26862954, 0.26130258, 0.27577711],
};

const STEPS = { do_resize: true, do_rescale: true, rescale_factor: 1 / 255, do_normalize: true };
const square = (edge: number): Json => ({ height: edge, width: edge });

const VIT: ImageProcessor = { squares: true, defaults: { ...STEPS, ...HALF, resample: 2, size: square(224) } };
const BIT: ImageProcessor = {
  squares: false,
  defaults: {
    ...STEPS,
    ...CLIP,
    resample: 3,
    size: { shortest_edge: 224 },
    do_center_crop: true,
    crop_size: square(224),
  },
};

/** By transformers' names, of the versions up to 5.18. */
const PROCESSORS: Readonly<Record<string, ImageProcessor>> = {
  ViTImageProcessor: VIT,
  DeiTImageProcessor: {
    squares: true,
    defaults: { ...STEPS, ...HALF, resample: 3, size: square(256), do_center_crop: true, crop_size: square(224) },
  },
  CLIPImageProcessor: BIT,
  BitImageProcessor: BIT,
  BeitImageProcessor: {
    squares: true,
    defaults: { ...STEPS, ...HALF, resample: 3, size: square(224), crop_size: square(224) },
  },
  SiglipImageProcessor: { squares: false, defaults: { ...STEPS, ...HALF, resample: 3, size: square(224) } },
  ConvNextImageProcessor: {
    squares: false,
    byCropShare: true,
    defaults: { ...STEPS, ...HALF, resample: 3, size: { shortest_edge: 384 }, crop_pct: 224 / 256 },
  },
  EfficientNetImageProcessor: {
    squares: true,
    offsets: true,
    defaults: { ...STEPS, ...HALF, resample: 3, size: square(346), crop_size: square(289), include_top: true },
  },
};

/**
 * The image processor that a file names, as feature extractors of before 2022 and the fast variants too, or `usual`.
 * @throws Mismatch for one that does something else
 */
export function imageProcessor(where: string, config: Json, usual: string): ImageProcessor {
  const named = config.image_processor_type ?? config.feature_extractor_type ?? usual;
  const type =
    typeof named === 'string' ? named.replace(/FeatureExtractor$/, 'ImageProcessor').replace(/(Fast|Pil)$/, '') : '';
  if (!Object.hasOwn(PROCESSORS, type))
    throw mismatch(`${where}: image_processor_type`, `one of ${Object.keys(PROCESSORS).join(', ')}`, named);
  return PROCESSORS[type];
}
