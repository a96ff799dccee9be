/**
 * Vision transformers, as Hugging Face's ...ForImageClassification compute them: ViT (Dosovitskiy et al. 2020), DeiT
 * (Touvron et al. 2021), ViT-MSN (Assran et al. 2022), DINOv2 with and without registers (Oquab et al. 2023, Darcet et
 * al. 2023), and the vision towers of CLIP (Radford et al. 2021) and SigLIP (Zhai et al. 2023). They differ in what stands
 * before the patches, in norms, and in what the head reads. Dropout, which their checkpoints set to 0, is not modelled.
 */
import type { Activation } from '../../runtime/artifact/plan.ts';
import type { ProblemType } from '../../runtime/artifact/problem-type.ts';
import type { Node } from '../graph/graph.ts';
import { attention } from '../graph/ops/attention.ts';
import { add, multiply } from '../graph/ops/binary.ts';
import { concat } from '../graph/ops/concat.ts';
import { layerNorm } from '../graph/ops/layer-norm.ts';
import { input } from '../graph/ops/leaf.ts';
import { linear } from '../graph/ops/linear.ts';
import { addPositions, meanTokens, padTokens, patchify, selectToken, tokens } from '../graph/ops/vision.ts';
import { activate } from './activation.ts';
import { embeddingLayer, type Layer, linearLayer, normLayer } from './layers.ts';
import { type Forward, layerNamed, type Model, type Parts } from './model.ts';

/**
 * deit: a distillation token stands beside the class token. deit-with-teacher: and has a head of its own; the logits
 * are the mean of both heads'. That head's weights and those of `head` are held at half their size, so that the mean is
 * a sum.
 */
export type VitVariant = 'vit' | 'deit' | 'deit-with-teacher' | 'vit-msn' | 'dinov2' | 'clip' | 'siglip';

interface Family {
  /** Its name in manifests. */
  readonly architecture: string;
  /** Class and distillation tokens. */
  readonly classTokens: 0 | 1 | 2;
  /** Whether a norm stands before the first block, after the last one. */
  readonly normBefore: boolean;
  readonly normAfter: boolean;
  /** What the head reads: the class token, the mean of the patches, or both beside each other. */
  readonly pooling: 'class' | 'mean' | 'class-and-mean';
  readonly patchBias: boolean;
}

const VIT: Family = {
  architecture: 'vit',
  classTokens: 1,
  normBefore: false,
  normAfter: true,
  pooling: 'class',
  patchBias: true,
};

const FAMILIES: Readonly<Record<VitVariant, Family>> = {
  vit: VIT,
  deit: { ...VIT, architecture: 'deit', classTokens: 2 },
  'deit-with-teacher': { ...VIT, architecture: 'deit', classTokens: 2 },
  'vit-msn': { ...VIT, architecture: 'vit_msn' },
  dinov2: { ...VIT, architecture: 'dinov2', pooling: 'class-and-mean' },
  clip: { ...VIT, architecture: 'clip', normBefore: true, normAfter: false, pooling: 'mean', patchBias: false },
  siglip: { ...VIT, architecture: 'siglip', classTokens: 0, pooling: 'mean' },
};

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
  /** Between `up` and `down` of every block. */
  readonly activation: Activation;
  /** Whether the checkpoint's queries, keys and values have biases; without, they are read as 0. */
  readonly qkvBias?: false;
  /** Tokens that hold nothing of the picture, after the class token (dinov2); none unless said. */
  readonly registers?: number;
  /** Whether `activation` is that of a gate, which is multiplied with `up` (SwiGLU, Shazeer 2020). */
  readonly gated?: boolean;
  readonly initializerRange: number;
  readonly labels: readonly string[];
  readonly problemType: ProblemType;
}

/** Tokens that stand before a picture's patches: class, distillation, registers. */
export function classTokens({ variant, registers = 0 }: VitConfig): number {
  return FAMILIES[variant].classTokens + registers;
}

/** Patches of a picture, the tokens before them not counted. */
export function patchCount({ imageSize, patchSize }: VitConfig): number {
  return (imageSize.height / patchSize) * (imageSize.width / patchSize);
}

/**
 * What the head reads of the last block: the class token, whether or not the mean of the patches beside it, or
 * that mean alone.
 */
export function headReads({ variant }: VitConfig): 'class' | 'mean' {
  return FAMILIES[variant].pooling === 'mean' ? 'mean' : 'class';
}

function vitLayers(config: VitConfig): Layer[] {
  const { hiddenSize: D, intermediateSize: F, channels, patchSize, labels, variant } = config;
  const { normBefore, normAfter, pooling, patchBias } = FAMILIES[variant];
  const C = classTokens(config);
  const blocks = Array.from({ length: config.layers }, (_, i) => [
    normLayer(`block.${i}.norm1`, D, i),
    ...['query', 'key', 'value', 'attention'].map((name) => linearLayer(`block.${i}.${name}`, D, D, 'linear', i)),
    normLayer(`block.${i}.norm2`, D, i),
    ...(config.gated ? [linearLayer(`block.${i}.gate`, D, F, 'linear', i)] : []),
    linearLayer(`block.${i}.up`, D, F, 'linear', i),
    linearLayer(`block.${i}.down`, F, D, 'linear', i),
  ]);
  const pooled = pooling === 'class-and-mean' ? 2 * D : D;
  return [
    linearLayer('patch', channels * patchSize ** 2, D, 'embedding', null, patchBias),
    embeddingLayer('embedding', [
      ...(C > 0 ? [{ name: 'embedding.cls', shape: [C * D], start: 'normal' as const }] : []),
      { name: 'embedding.position', shape: [patchCount(config) + C, D], start: 'normal' },
    ]),
    ...(normBefore ? [normLayer('normBefore', D, null)] : []),
    ...blocks.flat(),
    ...(normAfter ? [normLayer('norm', D, null)] : []),
    linearLayer('head', pooled, labels.length, 'head', null),
    ...(variant === 'deit-with-teacher' ? [linearLayer('distilled', D, labels.length, 'head', null)] : []),
  ];
}

/** Builds a vision transformer from its config: the layer table and the forward pass. Pre-norm blocks. */
export function createVit(config: VitConfig): Model {
  const layers = vitLayers(config);
  const family = FAMILIES[config.variant];
  const [N, C] = [patchCount(config), classTokens(config)];
  const T = N + C;
  const { height, width } = config.imageSize;

  function forward({ pixels, mask }: Readonly<Record<string, Node>>, batch: number, parts: Parts): Forward {
    const { tensor } = parts;
    const dense = (name: string, x: Node): Node => linear(x, tensor(`${name}.weight`), tensor(`${name}.bias`), name);
    const norm = (name: string, x: Node): Node =>
      layerNorm(x, tensor(`${name}.weight`), tensor(`${name}.bias`), config.layerNormEpsilon);

    const bias = family.patchBias ? tensor('patch.bias') : null;
    const patches = linear(patchify(pixels, config.patchSize), tensor('patch.weight'), bias, 'patch'); // (B·N, D)
    const position = tensor('embedding.position');
    const sequence = C > 0 ? tokens(patches, tensor('embedding.cls'), position) : addPositions(patches, position);
    const width = mask?.shape[1] ?? T;
    let x = padTokens(sequence, batch, width); // (B·T, D)
    if (family.normBefore) x = norm('normBefore', x);
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
      const z = norm(`block.${i}.norm2`, x);
      const activated = activate(config.activation, block(config.gated ? 'gate' : 'up', z));
      x = add(x, block('down', config.gated ? multiply(activated, block('up', z)) : activated));
      blocks.push(x);
    }
    return { logits: logitsOf(x), blocks };

    /** (B·T, D) → (B, K). Layer norm works row by row: where a head reads one token, that one is enough. */
    function logitsOf(last: Node): Node {
      const headOf = (name: string, token: number): Node => dense(name, norm('norm', selectToken(last, batch, token)));
      if (family.pooling === 'class') {
        const logits = headOf('head', 0);
        return config.variant === 'deit-with-teacher' ? add(logits, headOf('distilled', 1)) : logits;
      }
      const normed = family.normAfter ? norm('norm', last) : last;
      const mean = meanTokens(normed, batch, C, N); // (B, D)
      return dense('head', family.pooling === 'mean' ? mean : concat([selectToken(normed, batch, 0), mean], 1));
    }
  }

  return {
    architecture: config.registers ? 'dinov2_with_registers' : family.architecture,
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
