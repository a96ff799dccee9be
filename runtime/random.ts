/**
 * A seeded source of numbers: the same seed gives the same sequence on every machine. Not for secrets.
 * splitmix32: 32 bits of state, one multiply-xorshift round a draw, passes the tests that matter for shuffles and
 * initial weights.
 */
export interface Random {
  /** A number in [0, 1). */
  uniform(): number;
  /** An integer in [0, n). */
  below(n: number): number;
  /** A draw of the standard normal distribution (Box-Muller). */
  normal(): number;
}

/** A source of numbers seeded by integers, e.g. `random(seed, epoch)`: different tuples give unrelated sequences. */
export function random(...seeds: readonly number[]): Random {
  let state = 0x9e3779b9;
  for (const seed of seeds) state = mix((state ^ seed) >>> 0) + 0x9e3779b9;
  const next = (): number => {
    state = (state + 0x9e3779b9) >>> 0;
    return mix(state);
  };
  const uniform = (): number => next() / 0x1_0000_0000;
  return {
    uniform,
    below: (n) => Math.floor(uniform() * n),
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  };
}

function mix(value: number): number {
  let z = value;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}

/** A random order of 0..n-1 (Fisher-Yates). */
export function shuffled(n: number, source: Random): Int32Array {
  const order = Int32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = source.below(i + 1);
    const kept = order[i];
    order[i] = order[j];
    order[j] = kept;
  }
  return order;
}
