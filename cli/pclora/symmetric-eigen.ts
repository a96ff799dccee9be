/**
 * Eigenvalues and eigenvectors of a small symmetric matrix by cyclic Jacobi rotations (Golub, Van Loan, section 8.5).
 * @param matrix (n, n), row by row; not changed
 * @returns values in falling order and their vectors as the columns of an (n, n) matrix
 */
export function symmetricEigen(matrix: Float64Array, n: number): { values: Float64Array; vectors: Float64Array } {
  const a = Float64Array.from(matrix);
  const v = new Float64Array(n * n);
  for (let i = 0; i < n; i++) v[i * n + i] = 1;
  const scale = Math.sqrt(a.reduce((sum, v) => sum + v * v, 0));
  for (let sweep = 0; sweep < 64 && offDiagonal(a, n) > 1e-15 * scale; sweep++) {
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) rotate(a, v, n, p, q);
  }
  const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => a[j * n + j] - a[i * n + i]);
  const vectors = new Float64Array(n * n);
  order.forEach((from, to) => {
    for (let i = 0; i < n; i++) vectors[i * n + to] = v[i * n + from];
  });
  return { values: Float64Array.from(order, (i) => a[i * n + i]), vectors };
}

function offDiagonal(a: Float64Array, n: number): number {
  let squares = 0;
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) if (i !== j) squares += a[i * n + j] ** 2;
  return Math.sqrt(squares);
}

/** Zeroes a[p, q] by a rotation in the plane (p, q). */
function rotate(a: Float64Array, v: Float64Array, n: number, p: number, q: number): void {
  const apq = a[p * n + q];
  if (apq === 0) return;
  const theta = (a[q * n + q] - a[p * n + p]) / (2 * apq);
  const t = Math.sign(theta || 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const c = 1 / Math.sqrt(t * t + 1);
  const s = t * c;
  for (let i = 0; i < n; i++) {
    const ip = a[i * n + p];
    const iq = a[i * n + q];
    a[i * n + p] = c * ip - s * iq;
    a[i * n + q] = s * ip + c * iq;
  }
  for (let i = 0; i < n; i++) {
    const pi = a[p * n + i];
    const qi = a[q * n + i];
    a[p * n + i] = c * pi - s * qi;
    a[q * n + i] = s * pi + c * qi;
    const vp = v[i * n + p];
    const vq = v[i * n + q];
    v[i * n + p] = c * vp - s * vq;
    v[i * n + q] = s * vp + c * vq;
  }
}

/** Far more rounds than an eigenvalue takes, which is two or three. */
const MOST_ROUNDS = 100;

/**
 * The eigenvalues alone of a symmetric matrix, in falling order, each to within the rounding of the largest: Householder's
 * reflections make it tridiagonal, QL with implicit shifts diagonal (Golub, Van Loan, sections 8.3.1 and 8.3.3). For
 * matrices of many hundred rows, for which rotations take too long: 768 take about a second.
 * @param matrix (n, n), row by row, of which the lower half is read; not changed
 */
export function symmetricEigenvalues(matrix: Float64Array, n: number): Float64Array {
  const { diagonal, beside } = tridiagonal(Float64Array.from(matrix), n);
  const negligible =
    Number.EPSILON * diagonal.reduce((most, v, i) => Math.max(most, Math.abs(v), Math.abs(beside[i])), 0);
  for (let first = 0; first < n; first++) {
    for (let round = 0; ; round++) {
      let last = first;
      while (last < n - 1 && !(Math.abs(beside[last]) <= negligible)) last++;
      if (last === first) break;
      if (round === MOST_ROUNDS) throw new Error('eigenvalues: expected finite numbers');
      shiftedQl(diagonal, beside, first, last);
    }
  }
  return diagonal.sort().reverse();
}

/** A tridiagonal matrix of the same eigenvalues: beside[i] stands between the diagonal's i and i + 1. Spoils `a`. */
function tridiagonal(a: Float64Array, n: number): { diagonal: Float64Array; beside: Float64Array } {
  const diagonal = new Float64Array(n);
  const beside = new Float64Array(n);
  const p = new Float64Array(n);
  for (let i = n - 1; i > 0; i--) {
    diagonal[i] = a[i * n + i];
    const u = a.subarray(i * n, i * n + i);
    const length = Math.sqrt(u.reduce((sum, v) => sum + v * v, 0));
    const edge = u[i - 1];
    beside[i - 1] = edge > 0 ? -length : length;
    // u·uᵀ / h reflects the row onto its last entry.
    const h = length * (length + Math.abs(edge));
    if (!(h > 0)) continue;
    u[i - 1] = edge - beside[i - 1];
    reflect(a, n, i, u, h, p);
  }
  diagonal[0] = a[0];
  return { diagonal, beside };
}

/** A - u·qᵀ - q·uᵀ for the leading (i, i) part of which the lower half is kept, with q = p - (uᵀp / 2h)·u and p = A·u / h. */
function reflect(a: Float64Array, n: number, i: number, u: Float64Array, h: number, p: Float64Array): void {
  p.fill(0, 0, i);
  for (let j = 0; j < i; j++) {
    const row = j * n;
    const uj = u[j];
    let sum = a[row + j] * uj;
    for (let k = 0; k < j; k++) {
      sum += a[row + k] * u[k];
      p[k] += a[row + k] * uj;
    }
    p[j] += sum;
  }
  let along = 0;
  for (let j = 0; j < i; j++) {
    p[j] /= h;
    along += u[j] * p[j];
  }
  along /= 2 * h;
  for (let j = 0; j < i; j++) p[j] -= along * u[j];
  for (let j = 0; j < i; j++) {
    const row = j * n;
    const [uj, qj] = [u[j], p[j]];
    for (let k = 0; k <= j; k++) a[row + k] -= uj * p[k] + qj * u[k];
  }
}

/** One round of QL with Wilkinson's shift on the part of a tridiagonal matrix from `first` to `last`. */
function shiftedQl(d: Float64Array, e: Float64Array, first: number, last: number): void {
  let g = (d[first + 1] - d[first]) / (2 * e[first]);
  g = d[last] - d[first] + e[first] / (g + (g < 0 ? -1 : 1) * Math.hypot(g, 1));
  let [s, c, p] = [1, 1, 0];
  for (let i = last - 1; i >= first; i--) {
    const f = s * e[i];
    const b = c * e[i];
    let r = Math.hypot(f, g);
    e[i + 1] = r;
    if (r === 0) {
      // The matrix falls apart here.
      d[i + 1] -= p;
      e[last] = 0;
      return;
    }
    [s, c] = [f / r, g / r];
    g = d[i + 1] - p;
    r = (d[i] - g) * s + 2 * c * b;
    p = s * r;
    d[i + 1] = g + p;
    g = c * r - b;
  }
  d[first] -= p;
  e[first] = g;
  e[last] = 0;
}
