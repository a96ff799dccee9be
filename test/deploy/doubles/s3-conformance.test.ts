/** The stand-in for S3 under the checks that were made for S3 servers, with the SDK as client. */
import { spawn } from 'node:child_process';
import { copyFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { administrator, startAws } from '../../support/aws/aws.ts';
import { itWith, shared } from '../../support/shared.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const checks = shared('emulators/s3conf.mjs');
const folder = temporaryFolder();

itWith([checks], 'passes them all', async () => {
  copyFileSync(checks.path(), join(folder, 's3conf.mjs'));
  symlinkSync(fileURLToPath(new URL('../../../node_modules', import.meta.url)), join(folder, 'node_modules')); // where it finds the SDK
  const aws = await startAws();
  const child = spawn(
    process.execPath,
    ['s3conf.mjs', aws.endpoint, administrator.accessKeyId, administrator.secretAccessKey],
    { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  await aws.close();
  expect(stdout.split('\n').filter((line) => line.startsWith('FAIL'))).toEqual([]);
  expect(stdout, stderr).toMatch(/^32 passed, 0 failed$/m);
});
