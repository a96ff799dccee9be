/** Models from scratch, by name: the usual ViTs, and small ones that two cores train. */
import type { VitConfig } from './vit.ts';

type Sizes = Pick<VitConfig, 'patchSize' | 'hiddenSize' | 'layers' | 'heads' | 'intermediateSize'> & { readonly side: number };

const SIZES = {
  'vit-pico': { side: 32, patchSize: 8, hiddenSize: 64, layers: 4, heads: 4, intermediateSize: 256 },
  'vit-nano': { side: 32, patchSize: 4, hiddenSize: 128, layers: 4, heads: 4, intermediateSize: 512 },
  'vit-ti16': { side: 224, patchSize: 16, hiddenSize: 192, layers: 12, heads: 3, intermediateSize: 768 },
  'vit-s16': { side: 224, patchSize: 16, hiddenSize: 384, layers: 12, heads: 6, intermediateSize: 1536 },
  'vit-b16': { side: 224, patchSize: 16, hiddenSize: 768, layers: 12, heads: 12, intermediateSize: 3072 },
  'vit-l16': { side: 224, patchSize: 16, hiddenSize: 1024, layers: 24, heads: 16, intermediateSize: 4096 },
} as const satisfies Record<string, Sizes>;

export type Preset = keyof typeof SIZES;
export const PRESETS = Object.keys(SIZES) as Preset[];

export function isPreset(name: string): name is Preset {
  return Object.hasOwn(SIZES, name);
}

/** The config of a preset for these labels. */
export function presetConfig(preset: Preset, labels: readonly string[]): VitConfig {
  const { side, ...sizes } = SIZES[preset];
  return { ...sizes, imageSize: { height: side, width: side }, channels: 3, layerNormEpsilon: 1e-12, initializerRange: 0.02, labels };
}
