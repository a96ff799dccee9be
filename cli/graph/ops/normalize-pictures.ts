/** Pictures as they come, in bytes, become the values that a network takes. */
import { type Attributes, apply, expectShapes, type Node, type Operation } from '../graph.ts';
import { divide, scale, subtract } from './binary.ts';
import { constant } from './leaf.ts';
import { slice } from './slice.ts';
import { transpose } from './transpose.ts';

const castOperation: Operation = {
  name: 'cast',
  infer(inputs) {
    expectShapes(inputs[0].dtype === 'u8', 'cast', 'a u8 tensor', inputs);
    return { dtype: 'f32', shape: inputs[0].shape };
  },
  gradient: () => [null],
  onnx: (writer, [x]) => writer.node('Cast', [x], { to: 1 /* TensorProto.FLOAT */ }),
  stablehlo: (hlo, [x]) => hlo.convert(x, 'f32'),
  tfjs: (tf, [x]) => tf.cast(x, 'float32'),
};

/** Bytes as f32: 0 to 255. */
export function cast(x: Node): Node {
  return apply(castOperation, [x], {});
}

/** value = (byte · rescaleFactor - mean[channel]) / std[channel]: of an `ImagePreprocess`. */
export interface Normalization {
  readonly rescaleFactor: number;
  /** A value for each channel; one where the network takes grey, whose three channels are alike. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

interface NormalizeAttributes extends Attributes {
  readonly normalization: Normalization;
}

const normalizePicturesOperation: Operation<NormalizeAttributes> = {
  name: 'normalizePictures',
  infer(inputs, { normalization: { mean } }) {
    const [{ dtype, shape }] = inputs;
    expectShapes(
      dtype === 'u8' && shape.length === 4 && shape[3] === 3,
      'normalizePictures',
      'u8 pictures (batch, height, width, 3)',
      inputs,
    );
    const [B, H, W] = shape;
    return { dtype: 'f32', shape: [B, mean.length, H, W] };
  },
  gradient: () => [null],
  // In the order of Hugging Face's image processors, so that the roundings are theirs.
  expand([pictures], { normalization: { rescaleFactor, mean, std } }) {
    const perChannel = (values: readonly number[]): Node => constant(Float32Array.from(values), [values.length, 1, 1]);
    const planes = transpose(pictures, [0, 3, 1, 2]); // (B, 3, H, W), as long as it is a byte a value
    if (mean.length === 1) {
      const grey = slice(scale(cast(planes), rescaleFactor), 1, 0, 1);
      return divide(subtract(grey, perChannel(mean)), perChannel(std));
    }
    return divide(subtract(scale(cast(planes), rescaleFactor), perChannel(mean)), perChannel(std));
  },
};

/**
 * Rescales and normalises each channel: u8 pictures (B, H, W, 3) → f32 pixels (B, channels, H, W). A quarter of what f32 pixels
 * take goes to the device, and the host has nothing to compute.
 */
export function normalizePictures(pictures: Node, { rescaleFactor, mean, std }: Normalization): Node {
  return apply(normalizePicturesOperation, [pictures], { normalization: { rescaleFactor, mean, std } });
}
