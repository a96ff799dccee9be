/** Why a suite that failed nothing shows nothing; null where it does show something. */
export function untested(
  told: { readonly passed: number; readonly failed: number; readonly skipped: number },
  expected: boolean,
): string | null;
