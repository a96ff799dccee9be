/** The folder for bare GPU machines, where there is none: on the CPU's plugin, with nothing of this one's environment. */
import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { skipNote } from '../../contract/hosts/installed.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { cpuPlugin, withoutXla } from '../../support/xla.ts';

const project = fileURLToPath(new URL('../../..', import.meta.url));
const folder = temporaryFolder();

describe.skipIf(withoutXla !== null)(`the GPU bundle${skipNote(withoutXla)}`, () => {
  it('tests and times Slim away from the project, and writes what it found', { timeout: 600_000 }, () => {
    execFileSync(process.execPath, [join(project, 'infra/gpu-bundle.mjs'), '--without-node']);
    const bundle = join(folder, 'bundle');
    cpSync(join(project, 'dist/gpu-bundle'), bundle, { recursive: true });
    const out = join(folder, 'results.json');
    const flags = ['--device', 'cpu', '--models', 'tiny', '--rounds', '1', '--steps', '2', '--python', '/nonexistent'];
    const table = execFileSync('bash', [join(bundle, 'run.sh'), ...flags, '--out', out], {
      encoding: 'utf8',
      env: {
        PATH: `${join(process.execPath, '..')}:/usr/bin:/bin`,
        HOME: folder,
        SLIM_PJRT_PLUGIN: cpuPlugin!,
        XLA_FLAGS: process.env.XLA_FLAGS,
      },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const { tests, trainStep, missing, devices } = JSON.parse(readFileSync(out, 'utf8'));
    expect(devices).toContainEqual(expect.objectContaining({ engine: 'xla', device: 'cpu', problem: null }));
    expect(tests.map(({ suite, failed, problem }: Record<string, unknown>) => ({ suite, failed, problem }))).toEqual(
      ['contract suite', 'golden PC-LoRA steps', 'xla', 'what only a GPU shows'].map((suite) => ({
        suite,
        failed: 0,
        problem: null,
      })),
    );
    expect(tests.slice(0, 3).every(({ passed }: { passed: number }) => passed > 10)).toBe(true);
    expect(missing).toEqual([]);
    expect(trainStep.map(({ model, phase, system }: Record<string, unknown>) => [model, phase, system])).toEqual(
      ['vit-pico', 'bert-pico'].flatMap((model) => ['fading', 'adapters'].map((phase) => [model, phase, 'slim'])),
    );
    for (const { samplesPerSecond } of trainStep) expect(samplesPerSecond).toBeGreaterThan(0);
    expect(table).toContain('vit-pico, 8, f32, λ > 0');
  });
});
