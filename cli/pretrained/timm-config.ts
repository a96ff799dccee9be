/** timm's config.json: the name of an architecture, which says most of its sizes, and how pictures are prepared. */
import { join } from 'node:path';
import { isObject, type JsonObject, list, number, oneOf, text, wholeFrom } from '../../runtime/artifact/schema.ts';
import { type ImagePreprocess, ofSpec, positive, type Resize } from '../../runtime/preprocess/spec.ts';
import { UserError } from '../io/errors.ts';
import { readJson } from '../io/files.ts';
import type { VitConfig } from '../models/vit.ts';
import type { FitOptions } from './architecture.ts';
import { readConfigFields } from './config-fields.ts';
import { fitPicturesAs } from './pictures.ts';
import { checkVitConfig } from './vit-config.ts';

/** timm/models/vision_transformer.py and deit.py. */
const SIZES: Readonly<Record<string, { embed_dim: number; depth: number; num_heads: number; mlp_ratio?: number }>> = {
  tiny: { embed_dim: 192, depth: 12, num_heads: 3 },
  small: { embed_dim: 384, depth: 12, num_heads: 6 },
  medium: { embed_dim: 512, depth: 12, num_heads: 8 },
  base: { embed_dim: 768, depth: 12, num_heads: 12 },
  large: { embed_dim: 1024, depth: 24, num_heads: 16 },
  huge: { embed_dim: 1280, depth: 32, num_heads: 16 },
  giant: { embed_dim: 1408, depth: 40, num_heads: 16, mlp_ratio: 48 / 11 },
  gigantic: { embed_dim: 1664, depth: 48, num_heads: 16, mlp_ratio: 64 / 13 },
};

const NAME = /^(?:vit|deit3?)_([a-z]+)(_distilled)?_patch(\d+)(?:_([a-z0-9_]+?))?(?:_(\d+))?$/;

/** Arguments that change sizes, and those that say what is so anyway or only matters while training. */
const SIZE_ARGUMENTS = [
  'img_size',
  'patch_size',
  'in_chans',
  'num_classes',
  'embed_dim',
  'depth',
  'num_heads',
  'mlp_ratio',
];
const OTHER_ARGUMENTS: Readonly<Record<string, (value: unknown) => boolean>> = {
  qkv_bias: (value) => typeof value === 'boolean',
  init_values: () => true,
  no_embed_class: () => true,
  global_pool: (value) => value === 'token',
  class_token: (value) => value === true,
  drop_rate: () => true,
  pos_drop_rate: () => true,
  patch_drop_rate: () => true,
  proj_drop_rate: () => true,
  attn_drop_rate: () => true,
  drop_path_rate: () => true,
  dynamic_img_size: () => true,
  strict_img_size: () => true,
};

/** Whether a parsed config.json is timm's. */
export function isTimmConfig(json: unknown): boolean {
  return isObject(json) && json.model_type === undefined && isObject(json.pretrained_cfg);
}

/** Reads timm's config.json as that of a ViT or a DeiT. UserErrors name what is not read. */
export function readTimmConfig(json: unknown, path: string): VitConfig {
  const config = json as JsonObject;
  const named = text(`${path}: architecture`, config.architecture);
  const [, size, distilled, patch, , side] = NAME.exec(named.split('.')[0]) ?? [];
  const known = size === undefined ? undefined : SIZES[size];
  if (!known)
    throw new UserError(
      `${path} is a timm model of the architecture ${JSON.stringify(named)}, which is not read`,
      `Of timm, Slim reads vit_*, deit_* and deit3_* in the sizes ${Object.keys(SIZES).join(', ')}.`,
    );
  const given = isObject(config.model_args) ? config.model_args : {};
  for (const [name, value] of Object.entries(given))
    if (!SIZE_ARGUMENTS.includes(name) && !OTHER_ARGUMENTS[name]?.(value))
      throw new UserError(
        `${path}: a timm model with model_args.${name} ${JSON.stringify(value)} is not read`,
        'Of timm, Slim reads ViT and DeiT with a class token and a linear head.',
      );
  expectTokenPooling(config, path);
  const pretrained = config.pretrained_cfg as JsonObject;
  const input = inputSize(pretrained, path);
  const sizes: JsonObject = {
    img_size: input?.slice(1) ?? Number(side ?? 224),
    patch_size: Number(patch),
    ...known,
    ...given,
  };
  const fields = readConfigFields({ in_chans: input?.[0], ...sizes }, path);
  const patchSize = fields.size('patch_size', 16);
  if (patchSize.height !== patchSize.width)
    throw new UserError(`${path}: expected patch_size to be a square, got ${patchSize.height}×${patchSize.width}`);
  const hiddenSize = fields.count('embed_dim', known.embed_dim);
  const read: VitConfig = {
    variant: distilled ? 'deit-with-teacher' : 'vit',
    imageSize: fields.size('img_size', 224),
    patchSize: patchSize.height,
    channels: fields.count('in_chans', 3),
    hiddenSize,
    layers: fields.count('depth', known.depth, 1000),
    heads: fields.count('num_heads', known.num_heads),
    intermediateSize: Math.floor(hiddenSize * fields.number('mlp_ratio', 4)),
    layerNormEpsilon: 1e-6,
    activation: /quickgelu/.test(named) ? 'quickGelu' : 'gelu',
    initializerRange: 0.02,
    ...(fields.flag('qkv_bias', true) ? {} : { qkvBias: false }),
    labels: labelsOf(config, pretrained, path),
    // timm's are all trained for one label.
    problemType: 'single_label_classification',
  };
  checkVitConfig(read, path);
  return read;
}

function expectTokenPooling(config: JsonObject, path: string): void {
  const pool = config.global_pool ?? 'token';
  if (pool !== 'token')
    throw new UserError(
      `${path}: expected global_pool token, got ${JSON.stringify(pool)}`,
      'Of timm, Slim reads models whose head is on the class token.',
    );
}

function inputSize(pretrained: JsonObject, path: string): readonly number[] | null {
  if (pretrained.input_size === undefined || pretrained.input_size === null) return null;
  return spec(() => list(wholeFrom(1, 8192), 3, 3)(`${path}: pretrained_cfg.input_size`, pretrained.input_size));
}

/** Its names of classes; where it has none, as many made-up ones as it has classes. */
function labelsOf(config: JsonObject, pretrained: JsonObject, path: string): readonly string[] {
  const names = config.label_names ?? pretrained.label_names;
  if (names !== undefined && names !== null) return spec(() => list(text, 1, 100_000)(`${path}: label_names`, names));
  // A body without a head is given one by its data.
  const count = (config.num_classes ?? pretrained.num_classes) || 1;
  return readConfigFields({ num_labels: count }, path).labels();
}

function spec<T>(read: () => T): T {
  return ofSpec(read)('', null);
}

const INTERPOLATIONS = ['nearest', 'lanczos', 'bilinear', 'bicubic', 'box', 'hamming'] as const;

/** How timm prepares pictures for evaluation (timm/data/transforms_factory.py): resized by crop_pct, centre crop. */
function timmPreprocess(json: JsonObject, path: string, { imageSize, channels }: VitConfig): ImagePreprocess {
  const pretrained = json.pretrained_cfg as JsonObject;
  const at = (field: string): string => `${path}: pretrained_cfg.${field}`;
  return ofSpec((_where, _json) => {
    const share = positive(at('crop_pct'), pretrained.crop_pct ?? 0.875);
    const mode = oneOf('center', 'squash')(at('crop_mode'), pretrained.crop_mode ?? 'center');
    const [height, width] = [imageSize.height, imageSize.width].map((side) => Math.floor(side / share));
    if (mode === 'center' && height !== width)
      throw new UserError(`${path}: crop_mode center of a rectangle is not read`, 'Write a preprocessor_config.json.');
    const resize: Resize =
      mode === 'squash' ? { mode: 'exact', height, width } : { mode: 'shortest-edge-rounded', edge: height };
    return {
      size: imageSize,
      resize,
      resample: oneOf(...INTERPOLATIONS)(at('interpolation'), pretrained.interpolation ?? 'bilinear'),
      rescaleFactor: 1 / 255,
      mean: list(number, channels, channels)(at('mean'), pretrained.mean ?? [0.485, 0.456, 0.406]),
      std: list(positive, channels, channels)(at('std'), pretrained.std ?? [0.229, 0.224, 0.225]),
    };
  })('', null);
}

/** The config for these data, and timm's own preprocessing, which stands in config.json. */
export async function fitTimm(folder: string, stored: VitConfig, options: FitOptions) {
  const path = join(folder, 'config.json');
  const json = (await readJson(path)) as JsonObject;
  return fitPicturesAs(folder, stored, options, timmPreprocess(json, path, stored));
}
