// erf(x) as a rational function of x on [-4, 4], where it reaches 1 in f32: within 3 ulp (the coefficients of Eigen's and XLA's erf).

// @ts-ignore: decorator
@inline
export function erf(x: v128): v128 {
  const v = f32x4.min(f32x4.max(x, f32x4.splat(-4)), f32x4.splat(4));
  const square = f32x4.mul(v, v);
  let p = f32x4.splat(-2.72614225801306e-10);
  p = f32x4.add(f32x4.mul(p, square), f32x4.splat(2.77068142495902e-08));
  p = f32x4.add(f32x4.mul(p, square), f32x4.splat(-2.10102402082508e-06));
  p = f32x4.add(f32x4.mul(p, square), f32x4.splat(-5.69250639462346e-05));
  p = f32x4.add(f32x4.mul(p, square), f32x4.splat(-7.34990630326855e-04));
  p = f32x4.add(f32x4.mul(p, square), f32x4.splat(-2.95459980854025e-03));
  p = f32x4.add(f32x4.mul(p, square), f32x4.splat(-1.60960333262415e-02));
  let q = f32x4.splat(-1.45660718464996e-05);
  q = f32x4.add(f32x4.mul(q, square), f32x4.splat(-2.13374055278905e-04));
  q = f32x4.add(f32x4.mul(q, square), f32x4.splat(-1.68282697438203e-03));
  q = f32x4.add(f32x4.mul(q, square), f32x4.splat(-7.37332916720468e-03));
  q = f32x4.add(f32x4.mul(q, square), f32x4.splat(-1.42647390514189e-02));
  return f32x4.div(f32x4.mul(v, p), q);
}
