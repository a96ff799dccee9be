import { dot, dotFour, REGISTER } from './lanes';

/**
 * out (rows, outputs) = x (rows, inputs) · weightᵀ + bias; weight (outputs, inputs), bias (outputs) or 0.
 * Four outputs at a time share the loads of x.
 */
export function linear(x: usize, weight: usize, bias: usize, out: usize, rows: i32, inputs: i32, outputs: i32): void {
  const stride = <usize>inputs << 2;
  for (let r = 0; r < rows; r++, x += stride) {
    let w = weight;
    let o = 0;
    for (; o + 4 <= outputs; o += 4, w += stride << 2, out += REGISTER) {
      let y = dotFour(x, w, stride, inputs);
      if (bias) y = f32x4.add(y, v128.load(bias + (<usize>o << 2)));
      v128.store(out, y);
    }
    for (; o < outputs; o++, w += stride, out += 4) {
      let y = dot(x, w, inputs);
      if (bias) y += load<f32>(bias + (<usize>o << 2));
      store<f32>(out, y);
    }
  }
}
