/** PJRT plugins that `slim setup` brings. A stand-in plays python3 and its pip: what the real one brings, .ci/run sees. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { cudaFor, moduleVersion, PLUGIN_SETS, WHEELS } from '../../cli/setup/plugins.ts';
import { skipNote } from '../contract/hosts/installed.ts';
import { type Running, SLIM, startCommand } from '../support/process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { cpuPlugin, withoutXla } from '../support/xla.ts';

const folder = temporaryFolder();
const cache = join(folder, 'cache');
const calls = join(folder, 'calls');
const programs = join(folder, 'bin');
mkdirSync(programs);

/** Writes into --target what pip would; a plugin where one is given. */
const brings = (file: string, plugin: string | null): string => `
  echo "$@" >> ${calls}
  while [ "$1" != --target ]; do shift; done
  mkdir -p "$2/$(dirname ${file})"
  echo "  Downloading a-wheel.whl (63 MB)"
  ${plugin === null ? `echo nothing > "$2/${file}"` : `ln -s ${plugin} "$2/${file}"`}
`;
const CPU_FILE = 'lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so';

/** Programs on the PATH, by their names; nothing else is there but what shells need. */
function start(scripts: Readonly<Record<string, string>>, ...args: string[]): Running {
  rmSync(programs, { recursive: true });
  mkdirSync(programs);
  for (const [name, script] of Object.entries(scripts)) {
    writeFileSync(join(programs, name), `#!/bin/bash\n${script}`);
    chmodSync(join(programs, name), 0o755);
  }
  const hidden = { VIRTUAL_ENV: '', CONDA_PREFIX: '', SLIM_PJRT_PLUGIN: '' };
  const env = { ...process.env, ...hidden, SLIM_CACHE: cache, HOME: folder, PATH: programs };
  return startCommand(process.execPath, [SLIM, ...args], { env });
}

/** A script in a shell that knows the system's programs. */
const python = (script: string): string => `PATH=/usr/bin:/bin\n${script}`;
const inCache = (): string[] => (existsSync(join(cache, 'plugins')) ? readdirSync(join(cache, 'plugins')) : []);

beforeEach(() => {
  for (const path of [cache, calls]) rmSync(path, { recursive: true, force: true });
});

describe('slim setup xla-cpu', () => {
  it.skipIf(withoutXla !== null)(
    `brings it once, by pip, and has it compute a product${skipNote(withoutXla)}`,
    async () => {
      const python3 = python(brings(CPU_FILE, cpuPlugin));
      const { code, stdout, stderr } = await start({ python3 }, 'setup', 'xla-cpu', '--json').exit;
      const place = join(cache, 'plugins', 'cpu');
      expect(stderr).toBe(
        `bringing lammps-jax-pjrt-cpu 0.11.2 (about 63 MB, once) into ${place}\nDownloading a-wheel.whl (63 MB)\n`,
      );
      expect([code, JSON.parse(stdout)]).toEqual([
        0,
        {
          version: 1,
          plugin: join(place, CPU_FILE),
          folder: place,
          computes: expect.stringMatching(/^xla \(cpu, PJRT 0\.\d+, f32 products\)$/),
        },
      ]);
      expect(readFileSync(calls, 'utf8')).toMatch(
        /^-m pip install --no-deps --only-binary=:all: .* --target \S+ lammps-jax-pjrt-cpu==0\.11\.2\n$/,
      );
      const again = await start({ python3 }, 'setup', 'xla-cpu').exit;
      expect([again.code, again.stderr]).toEqual([0, '']);
      expect(again.stdout).toMatch(`xla-cpu is in ${place}: xla (cpu`);
      expect([inCache(), readdirSync(place).sort()]).toEqual([['cpu'], ['lammps_jax_pjrt_cpu', 'wheels.json']]);
    },
    60_000,
  );

  it('replaces one of another version, and says so where a file is no plugin', async () => {
    mkdirSync(join(cache, 'plugins', 'cpu'), { recursive: true });
    writeFileSync(join(cache, 'plugins', 'cpu', 'wheels.json'), '["older"]');
    const { code, stderr } = await start({ python3: python(brings(CPU_FILE, null)) }, 'setup', 'xla-cpu').exit;
    expect(code).toBe(1);
    expect(stderr).toContain(`error: ${join(cache, 'plugins', 'cpu', CPU_FILE)} is no PJRT plugin`);
    expect([inCache(), JSON.parse(readFileSync(join(cache, 'plugins', 'cpu', 'wheels.json'), 'utf8'))]).toEqual([
      ['cpu'],
      WHEELS['xla-cpu'].wheels,
    ]);
  });

  it.each([
    [null, 'no python3 is on the PATH', 'Install Python 3 with pip'],
    ['echo "/usr/bin/python3: No module named pip" >&2; exit 1', 'No module named pip', 'Install pip'],
    [
      'echo "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device" >&2; exit 1',
      'No space left on device',
      'Make room, or set SLIM_CACHE',
    ],
    [
      'echo "WARNING: Retrying" >&2; echo "ERROR: No matching distribution found for x" >&2; exit 1',
      'No matching distribution found for x',
      'The wheels are made for Linux',
    ],
    ['exit 3', 'pip ended with 3', 'Check the network'],
  ])('says what went wrong and what to do, and leaves nothing: %s', async (script, message, hint) => {
    const scripts: Record<string, string> = script === null ? {} : { python3: python(script) };
    const { code, stderr } = await start(scripts, 'setup', 'xla-cpu').exit;
    expect(code).toBe(1);
    expect(stderr).toContain("error: can't bring lammps-jax-pjrt-cpu 0.11.2: ");
    expect(stderr).toContain(message);
    expect(stderr).toContain(`hint: ${hint}`);
    expect(inCache()).toEqual([]);
  });

  it('ends with Ctrl-C, and leaves nothing', async () => {
    const running = start({ python3: python('echo "  Downloading it"; exec sleep 600') }, 'setup', 'xla-cpu');
    await running.saw(/Downloading it/);
    running.child.kill('SIGINT');
    const { code } = await running.exit;
    expect([code, inCache()]).toEqual([130, []]);
  });
});

describe('slim setup cuda', () => {
  it.each([
    ['580.65.06', 'jax-cuda13-pjrt 0.11.2 and 13 wheels', 'nvidia-cudnn-cu13=='],
    ['535.183.01', 'jax-cuda12-pjrt 0.11.2 and 12 wheels', 'nvidia-cudnn-cu12=='],
  ])('for driver %s brings %s', async (driver, what, wheel) => {
    const python3 = python(brings('jax_plugins/xla_cuda13/xla_cuda_plugin.so', null));
    const { code, stderr } = await start({ python3, 'nvidia-smi': `echo ${driver}` }, 'setup', 'cuda').exit;
    expect([code, stderr]).toEqual([1, expect.stringContaining(`bringing ${what}`)]);
    expect(stderr).toContain('is no PJRT plugin');
    expect(readFileSync(calls, 'utf8')).toContain(wheel);
  });

  it('says where the driver is too old', async () => {
    const { code, stderr } = await start({ 'nvidia-smi': 'echo 470.1.2' }, 'setup', 'cuda').exit;
    expect([code, stderr.split('\n')[0]]).toEqual([1, 'error: the NVIDIA driver 470.1.2 is too old']);
  });

  it('takes the CUDA that a driver has', () => {
    expect(['525.60.13', '579.9', '580.0', '1000.1'].map(cudaFor)).toEqual(['cuda12', 'cuda12', 'cuda13', 'cuda13']);
    expect(() => cudaFor(null)).toThrow('no NVIDIA driver is here');
    expect(() => cudaFor('524.9')).toThrow('the NVIDIA driver 524.9 is too old');
  });

  it.each([
    ['NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27 07:16:05 UTC 2025', '580.65.06'],
    ['NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.124.06  Release Build', '570.124.06'],
    ['something else 1.2', null],
  ])('reads %s', (text, version) => {
    expect(moduleVersion(text)).toBe(version);
  });
});

it('every wheel has one exact version', () => {
  const sets = Object.values(WHEELS).map(({ wheels }) => wheels as readonly string[]);
  for (const wheels of sets) {
    for (const wheel of wheels) expect(wheel).toMatch(/^[a-z0-9-]+==\d+(\.\d+)+$/);
    expect(new Set(wheels).size).toBe(wheels.length);
  }
  expect(Object.keys(PLUGIN_SETS)).toEqual(['cuda', 'rocm', 'tpu', 'xla-cpu']);
});
