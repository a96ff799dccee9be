/**
 * Why a suite that failed nothing shows nothing; null where it does show something. One that skips all of its tests is
 * in order, unless what it tests is here (`expected`).
 */
export function untested({ passed, failed, skipped }, expected) {
  if (passed + failed > 0) return null;
  if (skipped === 0) return 'it ran no test';
  return expected ? `it skipped all of its ${skipped} tests on a device that they are for` : null;
}
