import { exp2Rows, LOG2_E } from './exp2';
import { alignUp, BLOCK, LANES, loadPart, maxF32, PANEL, REGISTER, sumF32, toPanels } from './lanes';
import { rounded, roundingMagic } from './round';
import { tileFour16 } from './tile-int16';

/**
 * `attention` in integers: queries and keys become 16-bit numbers with a scale a row, values with a scale a column,
 * probabilities 15-bit fractions; sums are exact. Eight products an instruction on every host, at a ten-thousandth of
 * the largest value's precision.
 */
export function attentionInt16(
  q: usize, k: usize, v: usize, out: usize, scratch: usize,
  queries: i32, tokens: i32, heads: i32, keyHeads: i32, keySize: i32, valueSize: i32, scale: f32,
): void {
  const padded = toPanels(tokens);
  const keyPairs = pairsOf(keySize);
  const valuePanels = toPanels(valueSize) / PANEL;
  const limit = limitOf(keyPairs);
  const factors = scratch; // (4): of a block's rows
  const tile = factors + 16; // (4, 8)
  const query = tile + 128; // (4, keyPairs, 2) i16
  const queryStride = <usize>keyPairs << 2;
  const scores = query + alignUp(queryStride << 2); // (4, padded)
  const probabilities = scores + (<usize>padded << 4); // (4, padded) i16
  const keyScales = probabilities + (<usize>padded << 3); // (padded)
  const valueScales = keyScales + (<usize>padded << 2); // (valuePanels · 8)
  const keys = valueScales + (<usize>valuePanels << 5); // (padded / 8, keyPairs, 8, 2) i16
  const values = keys + ((<usize>padded * <usize>keyPairs) << 2); // (valuePanels, padded / 2, 8, 2) i16
  const outStride = <usize>(heads * valueSize) << 2;
  memory.fill(query, 0, queryStride << 2);
  memory.fill(probabilities, 0, <usize>padded << 3);
  for (let h = 0; h < heads; h++) {
    if (h < keyHeads) {
      packKeys(k + (<usize>(h * keySize) << 2), keys, keyScales, query, tokens, keyHeads * keySize, keySize, limit);
      packValues(v + (<usize>(h * valueSize) << 2), values, valueScales, tokens, keyHeads * valueSize, valueSize);
    }
    for (let t = 0; t < queries; t += BLOCK) {
      const rows = min(BLOCK, queries - t);
      for (let r = 0; r < rows; r++) {
        const row = q + (<usize>(((t + r) * heads + h) * keySize) << 2);
        const rowScale = quantizeRow16(row, query + <usize>r * queryStride, keySize, limit);
        store<f32>(factors + (<usize>r << 2), rowScale * (scale * LOG2_E));
      }
      tileFour16(query, queryStride, keys, factors, keyScales, scores, <usize>padded << 2, keyPairs, padded / PANEL);
      for (let r = 0; r < rows; r++) {
        const at = <usize>(r * padded);
        const factor = softmax(scores + (at << 2), probabilities + (at << 1), tokens, padded);
        store<f32>(factors + (<usize>r << 2), factor);
      }
      const target = out + (<usize>((t * heads + h) * valueSize) << 2);
      const wholePanels = rows == BLOCK ? valueSize / PANEL : 0;
      const stride = <usize>padded << 1;
      tileFour16(probabilities, stride, values, factors, valueScales, target, outStride, padded >> 1, wholePanels);
      for (let p = wholePanels; p < valuePanels; p++) {
        const panel = values + (<usize>(p * padded) << 4);
        tileFour16(probabilities, stride, panel, factors, valueScales + (<usize>p << 5), tile, 32, padded >> 1, 1);
        const bytes = <usize>min(PANEL, valueSize - p * PANEL) << 2;
        for (let r = 0; r < rows; r++) {
          memory.copy(target + <usize>r * outStride + (<usize>p << 5), tile + (<usize>r << 5), bytes);
        }
      }
    }
  }
}

/** Pairs of inputs that a key takes, an even number of them. */
// @ts-ignore: decorator
@inline
function pairsOf(size: i32): i32 {
  return ((size + 3) & ~3) >> 1;
}

/**
 * The largest magnitude of queries and keys whose products' sum fits an int32: its square times the size is at most
 * 2^31.
 */
function limitOf(pairs: i32): f32 {
  return min<f32>(32767, floor(sqrt(<f32>1073741824 / <f32>pairs)) - 1);
}

/** out (count) i16 = x / scale, rounded, within ±limit; returns the scale. */
function quantizeRow16(x: usize, out: usize, count: i32, limit: f32): f32 {
  let largest = f32x4.splat(0);
  let sums = f32x4.splat(0);
  let i = 0;
  for (; i + LANES <= count; i += LANES) {
    const v = v128.load(x + (<usize>i << 2));
    largest = f32x4.pmax(largest, f32x4.abs(v));
    sums = f32x4.add(sums, v);
  }
  for (; i < count; i++) {
    const v = v128.load32_zero(x + (<usize>i << 2));
    largest = f32x4.pmax(largest, f32x4.abs(v));
    sums = f32x4.add(sums, v);
  }
  const most = maxF32(largest) + sumF32(sums) * 0;
  const factor = f32x4.splat(inverseOf(most, limit));
  const magic = roundingMagic();
  for (i = 0; i + LANES <= count; i += LANES, out += 8) {
    const whole = rounded(v128.load(x + (<usize>i << 2)), factor, magic, magic);
    v128.store64_lane(out, i16x8.narrow_i32x4_s(whole, whole), 0);
  }
  for (; i < count; i++, out += 2) {
    const whole = rounded(v128.load32_splat(x + (<usize>i << 2)), factor, magic, magic);
    store<i16>(out, <i16>i32x4.extract_lane(whole, 0));
  }
  return most / limit;
}

/** Magnitudes below this count as zero: their inverse would be infinite. */
const TINY: f32 = 1e-30;

// @ts-ignore: decorator
@inline
function inverseOf(most: f32, limit: f32): f32 {
  return most > TINY ? limit / most : 0;
}

/**
 * keys (tokens / 8, pairs, 8, 2): eight keys side by side, what pads them 0 with scale 0. `row` is scratch for one key.
 */
function packKeys(
  k: usize, keys: usize, scales: usize, row: usize, tokens: i32, columns: i32, size: i32, limit: f32,
): void {
  const pairs = pairsOf(size);
  const padded = toPanels(tokens);
  memory.fill(scales + (<usize>tokens << 2), 0, <usize>(padded - tokens) << 2);
  for (let t = 0; t < padded; t++) {
    if (t < tokens) {
      store<f32>(scales + (<usize>t << 2), quantizeRow16(k + (<usize>(t * columns) << 2), row, size, limit));
    }
    const panel = keys + (<usize>((t & -PANEL) * pairs + (t & (PANEL - 1))) << 2);
    for (let p = 0; p < pairs; p++) {
      store<i32>(panel + (<usize>p << 5), t < tokens ? load<i32>(row + (<usize>p << 2)) : 0);
    }
  }
}

/** values (size / 8, tokens / 2, 8, 2): eight columns of two tokens side by side, what pads them 0. */
function packValues(v: usize, values: usize, scales: usize, tokens: i32, columns: i32, size: i32): void {
  const padded = toPanels(tokens);
  const stride = <usize>columns << 2;
  const magic = roundingMagic();
  for (let d = 0; d < size; d += PANEL) {
    for (let half = 0; half < PANEL; half += LANES, scales += REGISTER) {
      const left = size - d - half;
      const column = v + (<usize>(d + half) << 2);
      let out = values + (<usize>half << 2);
      const most = largestOfColumns(column, stride, tokens, left);
      v128.store(scales, f32x4.mul(most, f32x4.splat(1.0 / 32767)));
      const factor = f32x4(
        inverseOf(f32x4.extract_lane(most, 0), 32767), inverseOf(f32x4.extract_lane(most, 1), 32767),
        inverseOf(f32x4.extract_lane(most, 2), 32767), inverseOf(f32x4.extract_lane(most, 3), 32767),
      );
      for (let t = 0; t < padded; t += 2, out += 32) {
        const first =
          t < tokens ? rounded(loadPart(column + <usize>t * stride, left), factor, magic, magic) : i32x4.splat(0);
        const second =
          t + 1 < tokens
            ? rounded(loadPart(column + <usize>(t + 1) * stride, left), factor, magic, magic)
            : i32x4.splat(0);
        v128.store(out, v128.or(v128.and(first, i32x4.splat(0xffff)), i32x4.shl(second, 16)));
      }
    }
    values += <usize>padded << 4;
  }
}

function largestOfColumns(column: usize, stride: usize, tokens: i32, left: i32): v128 {
  let most = f32x4.splat(0);
  let sums = f32x4.splat(0);
  for (let t = 0; t < tokens; t++, column += stride) {
    const v = loadPart(column, left);
    most = f32x4.pmax(most, f32x4.abs(v));
    sums = f32x4.add(sums, v);
  }
  return f32x4.add(most, f32x4.mul(sums, f32x4.splat(0)));
}

/**
 * out (padded) i16 = 32767 · 2^x / Σ 2^x, rounded, for `count` scores x, which are overwritten; returns what a sum over
 * `out` has to be multiplied with: 1 / Σ out.
 */
function softmax(x: usize, out: usize, count: i32, padded: i32): f32 {
  for (let i = count; i < padded; i++) store<f32>(x + (<usize>i << 2), -Infinity);
  const end = x + (<usize>padded << 2);
  let largest = v128.load(x);
  for (let at = x; at < end; at += REGISTER) largest = f32x4.pmax(largest, v128.load(at));
  const sum = sumF32(exp2Rows(x, end, maxF32(largest)));
  const factor = f32x4.splat(32767 / sum);
  const magic = roundingMagic();
  const ones = v128.shuffle<u8>(i32x4.splat(1), i32x4.splat(1), 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1);
  let whole = i32x4.splat(0);
  for (let at = x; at < end; at += REGISTER << 1, out += REGISTER) {
    const p = i16x8.narrow_i32x4_s(
      rounded(v128.load(at), factor, magic, magic), rounded(v128.load(at, 16), factor, magic, magic),
    );
    v128.store(out, p);
    whole = i32x4.add(whole, i32x4.dot_i16x8_s(p, ones));
  }
  const pieces =
    i32x4.extract_lane(whole, 0) + i32x4.extract_lane(whole, 1) +
    (i32x4.extract_lane(whole, 2) + i32x4.extract_lane(whole, 3));
  // A score that is NaN makes the sum NaN, and so the whole row.
  return 1 / <f32>pieces + sum * 0;
}
