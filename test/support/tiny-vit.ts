/** A ViT of two blocks with random weights: everything that PC-LoRA touches, in a few thousand parameters. */
import { floats, type HostTensor, integers } from '../../cli/engines/engine.ts';
import { blockLinears, tensorsOf } from '../../cli/models/layers.ts';
import { createVit, type VitConfig } from '../../cli/models/vit.ts';
import type { AdapterOptions, Init } from '../../cli/pclora/linear.ts';
import { initialTensors } from '../../cli/pretrained/initial.ts';
import { random } from '../../runtime/random.ts';

export const tinyConfig: VitConfig = {
  variant: 'vit',
  imageSize: { height: 8, width: 12 },
  patchSize: 4,
  channels: 3,
  hiddenSize: 12,
  layers: 2,
  heads: 3,
  intermediateSize: 20,
  layerNormEpsilon: 1e-6,
  activation: 'gelu',
  initializerRange: 0.3,
  labels: ['a', 'b', 'c', 'd', 'e'],
  problemType: 'single_label_classification',
};
export const tinyVit = createVit(tinyConfig);
export const BATCH = 3;

/** Dense weights; biases and norms are random too, so that nothing vanishes by being 0 or 1. */
export const denseTensors = initialTensors(
  tensorsOf(tinyVit.layers).map((spec) => ({ ...spec, start: 'normal' as const })),
  tinyConfig.initializerRange,
  random(11),
);

export function adapterOptions(init: Init, { rank = 3, scaling = 1 } = {}): AdapterOptions {
  return { init, scaling, ranks: new Map(blockLinears(tinyVit.layers).map(({ name }) => [name, rank])) };
}

/** A batch, and the dense weights under their names. */
export function tinyFeeds(): Record<string, HostTensor> {
  const source = random(12);
  const { pixels } = tinyVit.batchInputs(BATCH);
  return {
    pixels: floats(
      Float32Array.from({ length: BATCH * 3 * 8 * 12 }, () => source.normal()),
      pixels.shape,
    ),
    labels: integers(Int32Array.of(0, 3, 4), [BATCH]),
    ...Object.fromEntries(
      tensorsOf(tinyVit.layers).map(({ name, shape }) => [name, floats(denseTensors.get(name)!, shape)]),
    ),
  };
}
