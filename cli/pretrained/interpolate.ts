/**
 * Position embeddings for another image size: the grid of patch positions is resized bicubically, the class tokens'
 * stay. Keys' kernel with half-pixel centres, as PyTorch's interpolate(mode="bicubic") computes: a = -0.75, or where it
 * is antialiased a = -0.5, widened when shrinking and cut at the edges, as Pillow's.
 */
export interface Grid {
  readonly height: number;
  readonly width: number;
}

/** position (first + from.height·from.width, width), class tokens first → (first + to.height·to.width, width). */
export function interpolatePositions(
  position: Float32Array,
  width: number,
  from: Grid,
  to: Grid,
  first = 1,
  filter: 'plain' | 'antialiased' = 'plain',
): Float32Array<ArrayBuffer> {
  const result = new Float32Array((first + to.height * to.width) * width);
  result.set(position.subarray(0, first * width));
  const weightsOf = filter === 'plain' ? axisWeights : antialiasedWeights;
  const rows = weightsOf(from.height, to.height);
  const columns = weightsOf(from.width, to.width);
  for (let y = 0; y < to.height; y++) {
    for (let x = 0; x < to.width; x++) {
      const target = (first + y * to.width + x) * width;
      for (const [row, rowWeight] of rows[y]) {
        for (const [column, columnWeight] of columns[x]) {
          const source = (first + row * from.width + column) * width;
          const weight = rowWeight * columnWeight;
          for (let c = 0; c < width; c++) result[target + c] += weight * position[source + c];
        }
      }
    }
  }
  return result;
}

/** For each target index four (source index, weight) pairs; indices beyond the edge repeat the edge. */
function axisWeights(from: number, to: number): [index: number, weight: number][][] {
  return Array.from({ length: to }, (_, i) => {
    const centre = ((i + 0.5) * from) / to - 0.5;
    const first = Math.floor(centre) - 1;
    return Array.from({ length: 4 }, (_, tap) => {
      const index = Math.min(from - 1, Math.max(0, first + tap));
      return [index, cubic(centre - (first + tap), -0.75)] as [number, number];
    });
  });
}

/** For each target index the (source index, weight) pairs of a kernel as wide as the shrinking makes it. */
function antialiasedWeights(from: number, to: number): [index: number, weight: number][][] {
  const scale = from / to;
  const width = Math.max(scale, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - 2 * width + 0.5));
    const end = Math.min(from, Math.trunc(centre + 2 * width + 0.5));
    const weights = Array.from({ length: end - first }, (_, tap) => cubic((first + tap - centre + 0.5) / width, -0.5));
    const sum = weights.reduce((a, b) => a + b, 0);
    return weights.map((weight, tap) => [first + tap, weight / sum] as [number, number]);
  });
}

function cubic(distance: number, a: number): number {
  const x = Math.abs(distance);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}
