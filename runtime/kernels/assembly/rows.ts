import { LANES } from './lanes';
import { add } from './add';

/** out (columns) += row `index` of a table (…, columns): f32, or int8 where scales (a scale a row) is not 0. */
export function addRow(out: usize, table: usize, scales: usize, index: i32, columns: i32): void {
  if (!scales) return add(out, table + (<usize>(index * columns) << 2), out, 1, columns);
  const row = table + <usize>(index * columns);
  const scale = f32x4.splat(load<f32>(scales + (<usize>index << 2)));
  let i = 0;
  for (; i + LANES <= columns; i += LANES) {
    const values = i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(row + i)));
    const at = out + (<usize>i << 2);
    v128.store(at, f32x4.add(v128.load(at), f32x4.mul(f32x4.convert_i32x4_s(values), scale)));
  }
  for (; i < columns; i++) {
    const at = out + (<usize>i << 2);
    store<f32>(at, load<f32>(at) + <f32>load<i8>(row + i) * f32x4.extract_lane(scale, 0));
  }
}

/** out (columns) = row `index` of x (rows, columns). */
export function selectRow(x: usize, out: usize, rows: i32, columns: i32, index: i32): void {
  memory.copy(out, x + (<usize>(index * columns) << 2), <usize>columns << 2);
}

/** out (columns) = the mean of `count` rows of x (rows, columns), from row `index` on. */
export function meanRows(x: usize, out: usize, rows: i32, columns: i32, index: i32, count: i32): void {
  const stride = <usize>columns << 2;
  let row = x + <usize>index * stride;
  memory.copy(out, row, stride);
  for (let i = 1; i < count; i++) {
    row += stride;
    add(out, row, out, 1, columns);
  }
  for (let i = 0; i < columns; i++) {
    const at = out + (<usize>i << 2);
    store<f32>(at, load<f32>(at) / <f32>count);
  }
}

/** out (first + second) = [a; b], of a (first) and b (second). */
export function concat(a: usize, b: usize, out: usize, first: i32, second: i32): void {
  const bytes = <usize>first << 2;
  memory.copy(out, a, bytes);
  memory.copy(out + bytes, b, <usize>second << 2);
}
