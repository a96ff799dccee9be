/** A folder that is gone after the test file. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** Makes a folder now; vitest removes it after the last test of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'slim-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
