import type { Activation } from '../../../runtime/artifact/plan.ts';
import { ACTIVATIONS } from '../../../runtime/artifact/steps.ts';
import {
  ACTIVATION_ERROR,
  activationIndex,
  EXTREMES,
  type KernelCase,
  normals,
  packedF32,
  ROWS,
  SMALL_SIZES,
} from './harness.ts';

interface Options {
  readonly activation?: Activation;
  readonly hasBias?: boolean;
  readonly hasResidual?: boolean;
  readonly values?: (count: number) => Float32Array;
}

function linear(
  name: string,
  rows: number,
  inputs: number,
  outputs: number,
  { activation = 'none', hasBias = true, hasResidual = false, values = (count) => normals(count, 1) }: Options = {},
): KernelCase {
  return {
    kernel: 'linear',
    name: `${name}: ${rows} rows, ${inputs} → ${outputs}`,
    run: (side) => {
      const x = side.put(values(rows * inputs));
      const weight = side.put(packedF32(normals(outputs * inputs, 2), outputs, inputs));
      const bias = hasBias ? side.put(normals(outputs, 3)) : 0;
      const residual = hasResidual ? side.put(normals(rows * outputs, 4)) : 0;
      const out = side.floats(rows * outputs);
      const scratch = side.scratch('linear', {});
      side.kernels.linear(
        x,
        weight,
        bias,
        residual,
        out.byteOffset,
        scratch,
        rows,
        inputs,
        outputs,
        activationIndex(activation),
      );
      return { close: [out], absolute: ACTIVATION_ERROR[activation] };
    },
  };
}

const BIG = [
  [768, 17],
  [17, 768],
  [3072, 5],
  [5, 3072],
  [768, 768],
] as const;

export const LINEAR_CASES: readonly KernelCase[] = [
  ...SMALL_SIZES.flatMap((inputs) => SMALL_SIZES.map((outputs) => linear('sizes', 5, inputs, outputs))),
  ...BIG.map(([inputs, outputs]) => linear('sizes', 2, inputs, outputs)),
  ...ROWS.map((rows) => linear('rows', rows, 33, 17, { hasResidual: true, activation: 'gelu' })),
  ...ACTIVATIONS.flatMap((activation) =>
    [false, true].flatMap((hasBias) =>
      [false, true].map((hasResidual) =>
        linear(`${activation}${hasBias ? ', bias' : ''}${hasResidual ? ', residual' : ''}`, 5, 33, 17, {
          activation,
          hasBias,
          hasResidual,
        }),
      ),
    ),
  ),
  ...Object.entries(EXTREMES).map(([name, values]) => linear(name, 5, 33, 17, { values, hasBias: false })),
];
