import { PreprocessError } from './error.ts';
import type { Size } from './picture.ts';

export const resamples = ['nearest', 'bilinear', 'bicubic', 'lanczos'] as const;
export type Resample = (typeof resamples)[number];

/** How a picture gets near the network's size; a centre crop to `size` follows. */
export type Resize =
  /** Not at all. */
  | { readonly mode: 'none' }
  /** To this size, whatever the aspect ratio. */
  | { readonly mode: 'exact'; readonly height: number; readonly width: number }
  /** The shorter edge to this length, keeping the aspect ratio. */
  | { readonly mode: 'shortest-edge'; readonly edge: number };

/** How a picture becomes the network's input. Plain JSON: it travels in run directories and artifacts. */
export interface ImagePreprocess {
  /** What the network sees. */
  readonly size: Size;
  readonly resize: Resize;
  readonly resample: Resample;
  /** value = (byte · rescaleFactor - mean[channel]) / std[channel] */
  readonly rescaleFactor: number;
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

const maxSide = 8192;

/** The preprocessing of a network trained from scratch: resized to `size`, values from -1 to 1. */
export function defaultImagePreprocess(size: Size): ImagePreprocess {
  return {
    size: { ...size },
    resize: { mode: 'exact', ...size },
    resample: 'bilinear',
    rescaleFactor: 1 / 255,
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
  };
}

/** Checks JSON that came from outside (an artifact, a run directory). Throws PreprocessError `bad-spec`, naming the field. */
export function readImagePreprocess(json: unknown): ImagePreprocess {
  const spec = record(json, 'preprocessing');
  return {
    size: readSize(spec.size, 'size'),
    resize: readResize(spec.resize),
    resample: oneOf(spec.resample, 'resample', resamples),
    rescaleFactor: positive(spec.rescaleFactor, 'rescaleFactor'),
    mean: triple(spec.mean, 'mean', finite),
    std: triple(spec.std, 'std', positive),
  };
}

function readResize(json: unknown): Resize {
  const resize = record(json, 'resize');
  const mode = oneOf(resize.mode, 'resize.mode', ['none', 'exact', 'shortest-edge'] as const);
  switch (mode) {
    case 'none':
      return { mode };
    case 'exact':
      return { mode, ...readSize(resize, 'resize') };
    case 'shortest-edge':
      return { mode, edge: side(resize.edge, 'resize.edge') };
    default:
      return mode satisfies never;
  }
}

/** `{height, width}`, each from 1 to 8192. */
export function readSize(json: unknown, field: string): Size {
  const size = record(json, field);
  return { height: side(size.height, `${field}.height`), width: side(size.width, `${field}.width`) };
}

export function record(json: unknown, field: string): Readonly<Record<string, unknown>> {
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Record<string, unknown>;
  throw badSpec(field, 'an object', json);
}

export function side(json: unknown, field: string): number {
  if (Number.isInteger(json) && (json as number) >= 1 && (json as number) <= maxSide) return json as number;
  throw badSpec(field, `an integer from 1 to ${maxSide}`, json);
}

export function finite(json: unknown, field: string): number {
  if (typeof json === 'number' && Number.isFinite(json)) return json;
  throw badSpec(field, 'a finite number', json);
}

export function positive(json: unknown, field: string): number {
  if (finite(json, field) > 0) return json as number;
  throw badSpec(field, 'a number above 0', json);
}

export function triple(
  json: unknown,
  field: string,
  read: (value: unknown, field: string) => number,
): readonly [number, number, number] {
  if (!Array.isArray(json) || json.length !== 3) throw badSpec(field, 'three numbers (red, green, blue)', json);
  return [read(json[0], `${field}[0]`), read(json[1], `${field}[1]`), read(json[2], `${field}[2]`)];
}

function oneOf<T extends string>(json: unknown, field: string, allowed: readonly T[]): T {
  const found = allowed.find((value) => value === json);
  if (found !== undefined) return found;
  throw badSpec(field, `one of ${allowed.join(', ')}`, json);
}

export function badSpec(field: string, expected: string, got: unknown): PreprocessError {
  const shown = (JSON.stringify(got) ?? 'nothing').slice(0, 60);
  return new PreprocessError('bad-spec', `image preprocessing: ${field} must be ${expected}, got ${shown}`);
}
