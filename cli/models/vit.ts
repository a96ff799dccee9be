/**
 * Vision transformers: ViT (Dosovitskiy et al. 2020) and DeiT (Touvron et al. 2021), as Hugging Face's
 * ViTForImageClassification, DeiTForImageClassification and DeiTForImageClassificationWithTeacher compute them.
 * Dropout, which their checkpoints set to 0, is not modelled.
 */
import type { ProblemType } from '../../runtime/artifact/problem-type.ts';
import type { Node } from '../graph/graph.ts';
import { attention } from '../graph/ops/attention.ts';
import { add } from '../graph/ops/binary.ts';
import { gelu } from '../graph/ops/gelu.ts';
import { layerNorm } from '../graph/ops/layer-norm.ts';
import { input } from '../graph/ops/leaf.ts';
import { linear } from '../graph/ops/linear.ts';
import { padTokens, patchify, selectToken, tokens } from '../graph/ops/vision.ts';
import { embeddingLayer, type Layer, linearLayer, normLayer } from './layers.ts';
import { type Forward, layerNamed, type Model, type Parts } from './model.ts';

/**
 * deit: a distillation token stands beside the class token. deit-with-teacher: and has a head of its own; the logits
 * are the mean of both heads'. That head's weights and those of `head` are held at half their size, so that the mean is
 * a sum.
 */
export type VitVariant = 'vit' | 'deit' | 'deit-with-teacher';

/** Sizes of a picture classifier, as a checkpoint's config.json tells them; `imageSize` and `patchSize` in pixels. */
export interface VitConfig {
  readonly variant: VitVariant;
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
  readonly problemType: ProblemType;
}

/** Tokens that stand before a picture's patches: class, distillation. */
export function classTokens({ variant }: VitConfig): number {
  return variant === 'vit' ? 1 : 2;
}

/** Patches of a picture, the class tokens not counted. */
export function patchCount({ imageSize, patchSize }: VitConfig): number {
  return (imageSize.height / patchSize) * (imageSize.width / patchSize);
}

function vitLayers(config: VitConfig): Layer[] {
  const { hiddenSize: D, intermediateSize: F, channels, patchSize, labels, variant } = config;
  const C = classTokens(config);
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
      { name: 'embedding.cls', shape: [C * D], start: 'normal' },
      { name: 'embedding.position', shape: [patchCount(config) / C + 1, C * D], start: 'normal' }, // see `tokens`
    ]),
    ...blocks.flat(),
    normLayer('norm', D, null),
    linearLayer('head', D, labels.length, 'head', null),
    ...(variant === 'deit-with-teacher' ? [linearLayer('distilled', D, labels.length, 'head', null)] : []),
  ];
}

/**
 * Builds a ViT from its config: the layer table and the forward pass. Pre-norm blocks, exact GELU, logits from the
 * class tokens.
 */
export function createVit(config: VitConfig): Model {
  const layers = vitLayers(config);
  const T = patchCount(config) + classTokens(config);
  const { height, width } = config.imageSize;

  function forward({ pixels, mask }: Readonly<Record<string, Node>>, batch: number, parts: Parts): Forward {
    const { tensor } = parts;
    const dense = (name: string, x: Node): Node => linear(x, tensor(`${name}.weight`), tensor(`${name}.bias`), name);
    const norm = (name: string, x: Node): Node =>
      layerNorm(x, tensor(`${name}.weight`), tensor(`${name}.bias`), config.layerNormEpsilon);

    const patches = dense('patch', patchify(pixels, config.patchSize)); // (B·N, D)
    const sequence = tokens(patches, tensor('embedding.cls'), tensor('embedding.position'));
    const width = mask?.shape[1] ?? T;
    let x = padTokens(sequence, batch, width); // (B·T, D)
    const blocks: Node[] = [];
    for (let i = 0; i < config.layers; i++) {
      const block = (name: string, y: Node): Node => parts.linear(layerNamed(layers, `block.${i}.${name}`), y);
      const y = norm(`block.${i}.norm1`, x);
      const mixed = attention(block('query', y), block('key', y), block('value', y), mask ?? null, {
        batch,
        tokens: width,
        heads: config.heads,
      });
      x = add(x, block('attention', mixed));
      x = add(x, block('down', gelu(block('up', norm(`block.${i}.norm2`, x)))));
      blocks.push(x);
    }
    // Layer norm works row by row, so the tokens that a head reads are enough.
    // → (B, K)
    const headOf = (name: string, token: number): Node => dense(name, norm('norm', selectToken(x, batch, token)));
    const logits = headOf('head', 0);
    return { logits: config.variant === 'deit-with-teacher' ? add(logits, headOf('distilled', 1)) : logits, blocks };
  }

  return {
    architecture: config.variant === 'vit' ? 'vit' : 'deit',
    labels: config.labels,
    problemType: config.problemType,
    layers,
    initializerRange: config.initializerRange,
    vocabularies: {},
    tokens: T,
    dropouts: [],
    batchInputs: (batch) => ({ pixels: input('pixels', [batch, config.channels, height, width]) }),
    forward,
  };
}
