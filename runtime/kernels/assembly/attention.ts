import { exp2Rows, LOG2_E } from './exp2';
import { alignUp, BLOCK, maxF32, PANEL, REGISTER, sumF32, toPanels } from './lanes';
import { tileRows } from './tile-f32';

/**
 * out = softmax(scale · q · kᵀ) · v per head. q (queries, heads · keySize), k (tokens, keyHeads · keySize),
 * v (tokens, keyHeads · valueSize), out (queries, heads · valueSize), heads side by side; keyHeads is heads, or 1 where
 * all share keys and values. All f32.
 */
export function attention(
  q: usize, k: usize, v: usize, out: usize, scratch: usize,
  queries: i32, tokens: i32, heads: i32, keyHeads: i32, keySize: i32, valueSize: i32, scale: f32,
): void {
  const padded = toPanels(tokens);
  const start = scratch; // eight zeros
  const tile = start + 32; // (4, 8)
  const query = tile + 128; // (4, keySize), scaled
  const scores = query + alignUp(<usize>keySize << 4); // (4, padded)
  const keys = scores + (<usize>padded << 4); // (padded / 8, keySize, 8)
  const values = keys + ((<usize>padded * <usize>keySize) << 2); // (valueSize / 8, tokens, 8)
  const outStride = <usize>(heads * valueSize) << 2;
  memory.fill(start, 0, 32);
  for (let h = 0; h < heads; h++) {
    if (h < keyHeads) {
      packKeys(k + (<usize>(h * keySize) << 2), keys, tokens, keyHeads * keySize, keySize);
      packValues(v + (<usize>(h * valueSize) << 2), values, tokens, keyHeads * valueSize, valueSize);
    }
    for (let t = 0; t < queries; t += BLOCK) {
      const rows = min(BLOCK, queries - t);
      scaleRows(q + (<usize>((t * heads + h) * keySize) << 2), query, rows, heads * keySize, keySize, scale * LOG2_E);
      for (let s = 0; s < padded; s += PANEL) {
        const panel = keys + (<usize>(s * keySize) << 2);
        tileRows(query, <usize>keySize << 2, panel, start, scores + (<usize>s << 2), <usize>padded << 2, rows, keySize);
      }
      for (let r = 0; r < rows; r++) softmax(scores + (<usize>(r * padded) << 2), tokens, padded);
      for (let d = 0; d < valueSize; d += PANEL) {
        const panel = values + (<usize>(d * tokens) << 2);
        tileRows(scores, <usize>padded << 2, panel, start, tile, 32, rows, tokens);
        const bytes = <usize>min(PANEL, valueSize - d) << 2;
        const target = out + (<usize>((t * heads + h) * valueSize + d) << 2);
        for (let r = 0; r < rows; r++) memory.copy(target + <usize>r * outStride, tile + (<usize>r << 5), bytes);
      }
    }
  }
}

/** keys (tokens / 8, size, 8): eight keys side by side, the last panel padded with zeros. */
function packKeys(k: usize, keys: usize, tokens: i32, columns: i32, size: i32): void {
  memory.fill(keys, 0, <usize>(toPanels(tokens) * size) << 2);
  for (let t = 0; t < tokens; t++) {
    const row = k + (<usize>(t * columns) << 2);
    const panel = keys + (<usize>((t & -PANEL) * size + (t & (PANEL - 1))) << 2);
    for (let i = 0; i < size; i++) store<f32>(panel + (<usize>i << 5), load<f32>(row + (<usize>i << 2)));
  }
}

/** values (size / 8, tokens, 8): eight columns side by side, the last panel padded with zeros. */
function packValues(v: usize, values: usize, tokens: i32, columns: i32, size: i32): void {
  for (let d = 0; d < size; d += PANEL) {
    const bytes = <usize>min(PANEL, size - d) << 2;
    for (let t = 0; t < tokens; t++, values += 32) {
      if (bytes < 32) memory.fill(values, 0, 32);
      memory.copy(values, v + (<usize>(t * columns + d) << 2), bytes);
    }
  }
}

function scaleRows(q: usize, out: usize, rows: i32, columns: i32, size: i32, scale: f32): void {
  for (let r = 0; r < rows; r++) {
    const row = q + (<usize>(r * columns) << 2);
    for (let i = 0; i < size; i++, out += 4) store<f32>(out, load<f32>(row + (<usize>i << 2)) * scale);
  }
}

/** x (padded) = 2^(x - max) / Σ 2^(x - max) for `count` scores, in place. */
function softmax(x: usize, count: i32, padded: i32): void {
  for (let i = count; i < padded; i++) store<f32>(x + (<usize>i << 2), -Infinity);
  const end = x + (<usize>padded << 2);
  let largest = v128.load(x);
  for (let at = x; at < end; at += REGISTER) largest = f32x4.pmax(largest, v128.load(at));
  const inverse = f32x4.splat(1 / sumF32(exp2Rows(x, end, maxF32(largest))));
  for (let at = x; at < end; at += REGISTER) v128.store(at, f32x4.mul(v128.load(at), inverse));
}
