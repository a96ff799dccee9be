/** A small random ViT, dense or low-rank, whose sizes are no multiples of a SIMD register. */
import type { Description } from '../../cli/compress/pack.ts';
import type { Node } from '../../cli/graph/graph.ts';
import { rankedLinears, tensorsOf } from '../../cli/models/layers.ts';
import { createVit, type VitConfig, type VitVariant } from '../../cli/models/vit.ts';
import { adaptersOnlyParts, adapterTensors, denseParts } from '../../cli/pclora/linear.ts';
import { random } from '../../runtime/random.ts';

export interface SmallVit {
  readonly logits: Node;
  readonly values: ReadonlyMap<string, Float32Array>;
  readonly pixels: Float32Array;
}

const LABELS = ['a', 'b', 'c', 'd', 'e'];

const config: VitConfig = {
  variant: 'vit',
  imageSize: { height: 12, width: 20 },
  patchSize: 4,
  channels: 3,
  hiddenSize: 36,
  layers: 3,
  heads: 4,
  intermediateSize: 70,
  layerNormEpsilon: 1e-6,
  activation: 'gelu',
  initializerRange: 0.2,
  labels: LABELS,
  problemType: 'single_label_classification',
};

/** Heads are 9 wide: ranks below that can be absorbed. */
export function smallVit(
  kind: 'dense' | 'low-rank',
  scaling = 1,
  rank = 7,
  variant: VitVariant = 'vit',
  { layers = config.layers, fuseQkv = false }: { readonly layers?: number; readonly fuseQkv?: boolean } = {},
): SmallVit {
  // Two class tokens need an even number of patches.
  const model = createVit({ ...config, layers, variant, patchSize: variant === 'vit' ? 4 : 2 });
  const ranks = new Map(rankedLinears(model.layers, fuseQkv).map(({ name }) => [name, rank]));
  const specs = [...tensorsOf(model.layers), ...adapterTensors(model.layers, ranks)];
  const parts = kind === 'dense' ? denseParts(specs) : adaptersOnlyParts(specs, scaling);
  const source = random(1);
  const draw = (count: number): Float32Array => Float32Array.from({ length: count }, () => source.normal());
  const values = new Map(
    specs.map(({ name, shape, start }) => {
      const drawn = draw(shape.reduce((a, b) => a * b, 1));
      return [name, drawn.map((v) => (start === 'ones' ? 1 + 0.1 * v : 0.2 * v))];
    }),
  );
  return { logits: model.forward(model.batchInputs(1), 1, parts).logits, values, pixels: draw(3 * 12 * 20) };
}

export const description: Description = {
  task: 'image-classification',
  labels: LABELS,
  problemType: 'single_label_classification',
  source: { model: 'small-vit', architecture: 'vit' },
  compression: { method: 'pc-lora', rank: 7, ranks: { 'block.0.up': 7 }, scaling: 1, schedule: 'sine', init: 'svd' },
  preprocessing: { size: { height: 12, width: 20 } },
  accuracy: [{ stage: 'teacher', accuracy: 0.5, samples: 10 }],
  costs: { teacher: null, model: { blocks: { parameters: 1, macs: 2 }, whole: { parameters: 3, macs: 4 } } },
  configuration: { seed: 1 },
};

/** What `runtime/preprocess` needs of a model that pictures are prepared for. */
export const preprocessing = {
  size: { height: 12, width: 20 },
  resize: { mode: 'exact', height: 12, width: 20 },
  resample: 'bilinear',
  rescaleFactor: 1 / 255,
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
};
