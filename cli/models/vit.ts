/** The vision transformer (Dosovitskiy et al. 2020), as Hugging Face's ViTForImageClassification computes it. */
import type { Node } from '../graph/graph.ts';
import { add } from '../graph/ops/binary.ts';
import { attention } from '../graph/ops/attention.ts';
import { gelu } from '../graph/ops/gelu.ts';
import { layerNorm } from '../graph/ops/layer-norm.ts';
import { input } from '../graph/ops/leaf.ts';
import { linear } from '../graph/ops/linear.ts';
import { patchify, selectToken, tokens } from '../graph/ops/vision.ts';
import { embeddingLayer, linearLayer, normLayer, type Layer } from './layers.ts';
import { layerNamed, type Forward, type Model, type Parts } from './model.ts';

export interface VitConfig {
  readonly imageSize: { readonly height: number; readonly width: number };
  readonly patchSize: number;
  readonly channels: number;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly intermediateSize: number;
  readonly layerNormEpsilon: number;
  readonly initializerRange: number;
  readonly labels: readonly string[];
}

/** Patches of a picture, the class token not counted. */
export function patchCount({ imageSize, patchSize }: VitConfig): number {
  return (imageSize.height / patchSize) * (imageSize.width / patchSize);
}

function vitLayers(config: VitConfig): Layer[] {
  const { hiddenSize: D, intermediateSize: F, channels, patchSize, labels } = config;
  const blocks = Array.from({ length: config.layers }, (_, i) => [
    normLayer(`block.${i}.norm1`, D, i),
    ...['query', 'key', 'value', 'attention'].map((name) => linearLayer(`block.${i}.${name}`, D, D, 'linear', i)),
    normLayer(`block.${i}.norm2`, D, i),
    linearLayer(`block.${i}.up`, D, F, 'linear', i),
    linearLayer(`block.${i}.down`, F, D, 'linear', i),
  ]);
  return [
    linearLayer('patch', channels * patchSize ** 2, D, 'embedding', null),
    embeddingLayer('embedding', [
      { name: 'embedding.cls', shape: [D], start: 'normal' },
      { name: 'embedding.position', shape: [patchCount(config) + 1, D], start: 'normal' },
    ]),
    ...blocks.flat(),
    normLayer('norm', D, null),
    linearLayer('head', D, labels.length, 'head', null),
  ];
}

/** Builds a ViT from its config: the layer table and the forward pass. Pre-norm blocks, exact GELU, logits from the class token. */
export function createVit(config: VitConfig): Model {
  const layers = vitLayers(config);
  const T = patchCount(config) + 1;
  const { height, width } = config.imageSize;

  function forward({ pixels }: Readonly<Record<string, Node>>, batch: number, parts: Parts): Forward {
    const { tensor } = parts;
    const dense = (name: string, x: Node): Node => linear(x, tensor(`${name}.weight`), tensor(`${name}.bias`), name);
    const norm = (name: string, x: Node): Node => layerNorm(x, tensor(`${name}.weight`), tensor(`${name}.bias`), config.layerNormEpsilon);

    const patches = dense('patch', patchify(pixels, config.patchSize)); // (B·N, D)
    let x = tokens(patches, tensor('embedding.cls'), tensor('embedding.position')); // (B·T, D)
    const blocks: Node[] = [];
    for (let i = 0; i < config.layers; i++) {
      const block = (name: string, y: Node): Node => parts.linear(layerNamed(layers, `block.${i}.${name}`), y);
      const y = norm(`block.${i}.norm1`, x);
      const mixed = attention(block('query', y), block('key', y), block('value', y), null, { batch, tokens: T, heads: config.heads });
      x = add(x, block('attention', mixed));
      x = add(x, block('down', gelu(block('up', norm(`block.${i}.norm2`, x)))));
      blocks.push(x);
    }
    // Layer norm works row by row, so the class token alone is enough.
    const pooled = norm('norm', selectToken(x, batch, 0)); // (B, D)
    return { logits: dense('head', pooled), blocks };
  }

  return {
    architecture: 'vit',
    labels: config.labels,
    layers,
    initializerRange: config.initializerRange,
    vocabularies: {},
    dropouts: [],
    batchInputs: (batch) => ({ pixels: input('pixels', [batch, config.channels, height, width]) }),
    forward,
  };
}
