/** What an image encoder does before its first block and after its last. */
import { type Attributes, apply, expectShapes, type Node, type Operation } from '../graph.ts';
import { add } from './binary.ts';
import { broadcastTo } from './broadcast.ts';
import { concat } from './concat.ts';
import { mean } from './reduce.ts';
import { reshape } from './reshape.ts';
import { pad, slice } from './slice.ts';
import { transpose } from './transpose.ts';

interface PatchifyAttributes extends Attributes {
  readonly patchSize: number;
}

const patchifyOperation: Operation<PatchifyAttributes> = {
  name: 'patchify',
  infer(inputs, { patchSize }) {
    const [batch, channels, height, width] = inputs[0].shape;
    const fits = inputs[0].shape.length === 4 && height % patchSize === 0 && width % patchSize === 0;
    expectShapes(
      fits,
      'patchify',
      `pixels (batch, channels, height, width) with sides divisible by ${patchSize}`,
      inputs,
    );
    return { dtype: 'f32', shape: [(batch * height * width) / patchSize ** 2, channels * patchSize ** 2] };
  },
  expand([pixels], { patchSize: p }) {
    const [B, C, H, W] = pixels.shape;
    const grid = reshape(pixels, [B, C, H / p, p, W / p, p]);
    const patches = transpose(grid, [0, 2, 4, 1, 3, 5]); // (B, H/p, W/p, C, p, p)
    return reshape(patches, [(B * H * W) / p ** 2, C * p * p]);
  },
};

/**
 * Cuts pictures into patches, row by row: pixels (B, C, H, W) → (B·N, C·p·p), each row in the order of Conv2d's weight.
 */
export function patchify(pixels: Node, patchSize: number): Node {
  return apply(patchifyOperation, [pixels], { patchSize });
}

const tokensOperation: Operation = {
  name: 'tokens',
  infer(inputs) {
    const [patches, cls, position] = inputs;
    const [T, D] = position.shape;
    const first = cls.shape[0] / D;
    const fits =
      cls.shape.length === 1 &&
      Number.isInteger(first) &&
      first < T &&
      patches.shape[1] === D &&
      patches.shape[0] % (T - first) === 0;
    expectShapes(fits, 'tokens', 'patches (B·N, D), cls (C·D), position (N + C, D)', inputs);
    return { dtype: 'f32', shape: [(patches.shape[0] / (T - first)) * T, D] };
  },
  expand([patches, cls, position]) {
    const [T, D] = position.shape;
    const C = cls.shape[0] / D;
    const batch = patches.shape[0] / (T - C);
    const first = broadcastTo(reshape(cls, [1, C, D]), [batch, C, D]);
    const sequence = concat([first, reshape(patches, [batch, T - C, D])], 1); // (B, T, D)
    return reshape(add(sequence, position), [batch * T, D]);
  },
};

/**
 * Puts C tokens of the model's own (class, distillation, registers) before each picture's patches and adds the
 * positions. patches (B·N, D), cls (C·D), position (N + C, D) → (B·(N + C), D).
 */
export function tokens(patches: Node, cls: Node, position: Node): Node {
  return apply(tokensOperation, [patches, cls, position], {});
}

const addPositionsOperation: Operation = {
  name: 'addPositions',
  infer(inputs) {
    const [patches, position] = inputs;
    const fits = patches.shape[1] === position.shape[1] && patches.shape[0] % position.shape[0] === 0;
    expectShapes(fits, 'addPositions', 'patches (B·N, D), position (N, D)', inputs);
    return { dtype: 'f32', shape: patches.shape };
  },
  expand([patches, position]) {
    const [N, D] = position.shape;
    return reshape(add(reshape(patches, [patches.shape[0] / N, N, D]), position), patches.shape);
  },
};

/** Adds the positions to the patches of each picture, where no token stands before them: (B·N, D), (N, D) → (B·N, D). */
export function addPositions(patches: Node, position: Node): Node {
  return apply(addPositionsOperation, [patches, position], {});
}

/** Zeros behind each sequence, up to `width` tokens: x (B·T, D) → (B·width, D). */
export function padTokens(x: Node, batch: number, width: number): Node {
  const [rows, D] = x.shape;
  const missing = width - rows / batch;
  if (missing === 0) return x;
  return reshape(pad(reshape(x, [batch, rows / batch, D]), 1, 0, missing), [batch * width, D]);
}

/** Which token of how many sequences. */
export interface SelectAttributes extends Attributes {
  readonly batch: number;
  readonly index: number;
}

const selectOperation: Operation<SelectAttributes> = {
  name: 'selectToken',
  infer(inputs, { batch, index }) {
    const [rows, width] = inputs[0].shape;
    expectShapes(
      rows % batch === 0 && index < rows / batch,
      'selectToken',
      `rows of ${batch} sequences longer than ${index}`,
      inputs,
    );
    return { dtype: 'f32', shape: [batch, width] };
  },
  expand([x], { batch, index }) {
    const [rows, width] = x.shape;
    return reshape(slice(reshape(x, [batch, rows / batch, width]), 1, index, 1), [batch, width]);
  },
};

/** One token of each sequence: x (B·T, D) → (B, D). */
export function selectToken(x: Node, batch: number, index: number): Node {
  return apply(selectOperation, [x], { batch, index });
}

interface MeanAttributes extends Attributes {
  readonly batch: number;
  readonly first: number;
  readonly count: number;
}

const meanTokensOperation: Operation<MeanAttributes> = {
  name: 'meanTokens',
  infer(inputs, { batch, first, count }) {
    const [rows, width] = inputs[0].shape;
    expectShapes(
      rows % batch === 0 && count > 0 && first + count <= rows / batch,
      'meanTokens',
      `rows of ${batch} sequences of at least ${first + count}`,
      inputs,
    );
    return { dtype: 'f32', shape: [batch, width] };
  },
  expand([x], { batch, first, count }) {
    const [rows, width] = x.shape;
    return reshape(mean(slice(reshape(x, [batch, rows / batch, width]), 1, first, count), [1]), [batch, width]);
  },
};

/** The mean of `count` tokens of each sequence, from the one at `first`: x (B·T, D) → (B, D). */
export function meanTokens(x: Node, batch: number, first: number, count: number): Node {
  return apply(meanTokensOperation, [x], { batch, first, count });
}
