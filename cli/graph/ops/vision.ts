/** What an image encoder does before its first block and after its last. */
import { type Attributes, apply, expectShapes, type Node, type Operation } from '../graph.ts';
import { add } from './binary.ts';
import { broadcastTo } from './broadcast.ts';
import { concat } from './concat.ts';
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
    const [groups, width] = position.shape;
    const D = patches.shape[1];
    const fits =
      cls.shape.length === 1 &&
      cls.shape[0] === width &&
      width % D === 0 &&
      (patches.shape[0] * D) % ((groups - 1) * width) === 0;
    expectShapes(fits, 'tokens', 'patches (B·N, D), cls (C·D), position (N/C + 1, C·D)', inputs);
    return { dtype: 'f32', shape: [((patches.shape[0] * D) / (groups - 1) / width) * groups * (width / D), D] };
  },
  expand([patches, cls, position]) {
    const [groups, width] = position.shape;
    const [rows, D] = patches.shape;
    const batch = (rows * D) / (groups - 1) / width;
    const first = broadcastTo(reshape(cls, [1, 1, width]), [batch, 1, width]);
    const sequence = concat([first, reshape(patches, [batch, groups - 1, width])], 1); // (B, N/C + 1, C·D)
    return reshape(add(sequence, position), [(batch * groups * width) / D, D]);
  },
};

/**
 * Puts C class tokens before each picture's patches and adds the positions.
 * patches (B·N, D), cls (C·D), position (N/C + 1, C·D) → (B·(N + C), D). The positions lie as a table of all N + C
 * would, C of them to a row: so one kernel serves every C that divides N.
 */
export function tokens(patches: Node, cls: Node, position: Node): Node {
  return apply(tokensOperation, [patches, cls, position], {});
}

/** Zeros behind each sequence, up to `width` tokens: x (B·T, D) → (B·width, D). */
export function padTokens(x: Node, batch: number, width: number): Node {
  const [rows, D] = x.shape;
  const missing = width - rows / batch;
  if (missing === 0) return x;
  return reshape(pad(reshape(x, [batch, rows / batch, D]), 1, 0, missing), [batch * width, D]);
}

interface SelectAttributes extends Attributes {
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
