import { exp, expScalar } from './exp';
import { dot, dotFour, LANES, REGISTER, sumF32 } from './lanes';

/**
 * out = softmax(q · kᵀ / sqrt(d)) · v per head, heads side by side: q, k, v, out (tokens, columns), d = columns / heads.
 * One row of scores (tokens) is all the scratch it takes.
 */
export function attention(
  q: usize, k: usize, v: usize, scores: usize, out: usize, tokens: i32, columns: i32, heads: i32,
): void {
  const perHead = columns / heads;
  const stride = <usize>columns << 2;
  const scale: f32 = 1 / sqrt(<f32>perHead);
  for (let h = 0; h < heads; h++) {
    const head = <usize>(h * perHead) << 2;
    for (let t = 0; t < tokens; t++) {
      const row = head + <usize>t * stride;
      score(q + row, k + head, scores, tokens, stride, perHead, scale);
      softmax(scores, tokens);
      mix(scores, v + head, out + row, tokens, stride, perHead);
    }
  }
}

/** scores[t] = q · k[t] · scale. */
function score(q: usize, k: usize, scores: usize, tokens: i32, stride: usize, perHead: i32, scale: f32): void {
  let t = 0;
  for (; t + LANES <= tokens; t += LANES, k += stride << 2, scores += REGISTER) {
    v128.store(scores, f32x4.mul(dotFour(q, k, stride, perHead), f32x4.splat(scale)));
  }
  for (; t < tokens; t++, k += stride, scores += 4) store<f32>(scores, dot(q, k, perHead) * scale);
}

/** x = e^(x - max) / Σ e^(x - max), in place. */
function softmax(x: usize, count: i32): void {
  let largest = load<f32>(x);
  for (let i = 1; i < count; i++) largest = max(largest, load<f32>(x + (<usize>i << 2)));
  let total = f32x4.splat(0);
  let i = 0;
  for (; i + LANES <= count; i += LANES) {
    const at = x + (<usize>i << 2);
    const e = exp(f32x4.sub(v128.load(at), f32x4.splat(largest)));
    v128.store(at, e);
    total = f32x4.add(total, e);
  }
  let sum = sumF32(total);
  for (; i < count; i++) {
    const at = x + (<usize>i << 2);
    const e = expScalar(load<f32>(at) - largest);
    store<f32>(at, e);
    sum += e;
  }
  const inverse: f32 = 1 / sum;
  for (i = 0; i < count; i++) {
    const at = x + (<usize>i << 2);
    store<f32>(at, load<f32>(at) * inverse);
  }
}

/** out (perHead) = Σ weights[t] · v[t], sixteen columns at a time in registers. */
function mix(weights: usize, v: usize, out: usize, tokens: i32, stride: usize, perHead: i32): void {
  let c = 0;
  for (; c + 16 <= perHead; c += 16) mixSixteen(weights, v + (<usize>c << 2), out + (<usize>c << 2), tokens, stride);
  for (; c + LANES <= perHead; c += LANES) mixFour(weights, v + (<usize>c << 2), out + (<usize>c << 2), tokens, stride);
  for (; c < perHead; c++) {
    let sum: f32 = 0;
    for (let t = 0; t < tokens; t++) {
      sum += load<f32>(weights + (<usize>t << 2)) * load<f32>(v + (<usize>c << 2) + <usize>t * stride);
    }
    store<f32>(out + (<usize>c << 2), sum);
  }
}

function mixSixteen(weights: usize, v: usize, out: usize, tokens: i32, stride: usize): void {
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let s2 = f32x4.splat(0);
  let s3 = f32x4.splat(0);
  for (let t = 0; t < tokens; t++, weights += 4, v += stride) {
    const weight = v128.load32_splat(weights);
    s0 = f32x4.add(s0, f32x4.mul(weight, v128.load(v)));
    s1 = f32x4.add(s1, f32x4.mul(weight, v128.load(v, 16)));
    s2 = f32x4.add(s2, f32x4.mul(weight, v128.load(v, 32)));
    s3 = f32x4.add(s3, f32x4.mul(weight, v128.load(v, 48)));
  }
  v128.store(out, s0);
  v128.store(out, s1, 16);
  v128.store(out, s2, 32);
  v128.store(out, s3, 48);
}

function mixFour(weights: usize, v: usize, out: usize, tokens: i32, stride: usize): void {
  let sum = f32x4.splat(0);
  for (let t = 0; t < tokens; t++, weights += 4, v += stride) {
    sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(weights), v128.load(v)));
  }
  v128.store(out, sum);
}
