/** Wrangler as a program, under the Node that it needs. */
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { hostFile, NOT_INSTALLED, programs } from '../contract/hosts/installed.ts';

const packageFile = hostFile('wrangler/package.json');
const file = packageFile && join(dirname(packageFile), 'bin', 'wrangler.js');

export const wranglerAbsent: string | null =
  programs.node24 !== null && file !== null && existsSync(file) ? null : NOT_INSTALLED;

/** Writes a program into a folder that runs wrangler, its settings and logs in that folder, too. */
export function writeWrangler(folder: string): string {
  const program = join(folder, 'wrangler');
  const node = programs.node24!;
  writeFileSync(
    program,
    `#!/bin/sh
export HOME='${folder}' XDG_CONFIG_HOME='${folder}' PATH='${dirname(node)}':"$PATH"
exec '${node}' '${file}' "$@"
`,
  );
  chmodSync(program, 0o755);
  return program;
}

/**
 * Writes a program that says of a deployment what wrangler would say, without one: whatever `script` does, and then
 * this.
 */
export function writeStubWrangler(folder: string, name: string, targets: readonly string[], script = ''): string {
  const program = join(folder, name);
  const entry = JSON.stringify({ type: 'deploy', version: 1, version_id: 'v1', targets });
  writeFileSync(program, `#!/bin/sh\n${script}\nprintf '%s\\n' '${entry}' > "$WRANGLER_OUTPUT_FILE_PATH"\n`);
  chmodSync(program, 0o755);
  return program;
}
