/** From --device, --engine and --precision to an engine: what is taken, and what is said where it is not here. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createEngine } from '../../cli/engines/create.ts';
import { findPlugin, hasHardware, namedPlugin, pluginFolder } from '../../cli/engines/xla/plugins.ts';
import { cacheFolder } from '../../cli/io/cache-folder.ts';
import type { UserError } from '../../cli/io/errors.ts';
import { skipNote } from '../contract/hosts/installed.ts';
import { engineIo } from '../support/engines.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { withoutWebgpu } from '../support/webgpu.ts';
import { cpuPlugin, withoutXla } from '../support/xla.ts';

const work = temporaryFolder();
const environment = { ...process.env };
let count = 0;
beforeEach(() => {
  // Nothing is found but what a test lays out.
  Object.assign(process.env, { SLIM_CACHE: join(work, `cache ${count++}`), PATH: '', HOME: work });
  for (const name of ['SLIM_PJRT_PLUGIN', 'VIRTUAL_ENV', 'CONDA_PREFIX']) delete process.env[name];
});
afterEach(() => {
  for (const name of Object.keys(process.env)) if (!(name in environment)) delete process.env[name];
  Object.assign(process.env, environment);
});

function layOut(packages: string, file: string): string {
  const path = join(packages, file);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, '');
  return path;
}

const refusal = async (choice: Parameters<typeof createEngine>[0]): Promise<UserError> =>
  createEngine(choice, engineIo).then(
    ({ description }) => {
      throw new Error(`got ${description}`);
    },
    (error: unknown) => error as UserError,
  );

describe('the cache folder', () => {
  it.each([
    [{ SLIM_CACHE: '/a', XDG_CACHE_HOME: '/b' }, 'linux', '/a'],
    [{ XDG_CACHE_HOME: '/b' }, 'linux', '/b/slim'],
    [{ XDG_CACHE_HOME: '' }, 'linux', `${work}/.cache/slim`],
    [{}, 'darwin', `${work}/Library/Caches/slim`],
    [{ LOCALAPPDATA: join('/l') }, 'win32', '/l/slim/cache'],
  ] as const)('%j on %s is %s', (given, platform, expected) => {
    expect(cacheFolder(given, platform)).toBe(expected);
  });
});

describe('a plugin is found', () => {
  it("in slim setup's folder, the highest version first", () => {
    layOut(pluginFolder('cuda'), 'jax_plugins/xla_cuda12/xla_cuda_plugin.so');
    const path = layOut(pluginFolder('cuda'), 'jax_plugins/xla_cuda13/xla_cuda_plugin.so');
    expect(findPlugin('cuda')).toEqual({ path, platform: 'cuda' });
    expect(findPlugin('rocm')).toBeNull();
  });

  it('in the active Python environment, and beside a python3 on the PATH', () => {
    const active = layOut(join(work, 'venv/lib/python3.11/site-packages'), 'libtpu/libtpu.so');
    process.env.VIRTUAL_ENV = join(work, 'venv');
    expect(findPlugin('tpu')?.path).toBe(active);
    delete process.env.VIRTUAL_ENV;
    layOut(join(work, 'usr/bin'), 'python3');
    const found = layOut(join(work, 'usr/lib/python3.12/dist-packages'), 'jax_plugins/xla_rocm60/xla_rocm_plugin.so');
    process.env.PATH = join(work, 'usr/bin');
    expect(findPlugin('rocm')?.path).toBe(found);
    mkdirSync(join(work, 'links'));
    symlinkSync(join(work, 'usr/bin/python3'), join(work, 'links/python3'));
    process.env.PATH = join(work, 'links');
    expect(findPlugin('rocm')?.path).toBe(found);
  });

  it('by SLIM_PJRT_PLUGIN, whose name may tell its platform', () => {
    for (const [path, platform] of [
      ['/cuda/libtpu.so', 'tpu'],
      ['/a/xla_cuda_plugin.so', 'cuda'],
      ['/cuda/mine.so', null],
    ] as const) {
      process.env.SLIM_PJRT_PLUGIN = path;
      expect(namedPlugin()).toEqual({ path, platform });
    }
  });
});

describe('createEngine', () => {
  it.each([
    ['auto', undefined],
    ['cpu', undefined],
    ['auto', 'onnx'],
    ['cpu', 'onnx'],
  ] as const)('on %s with engine %s takes onnx', async (device, engine) => {
    const { name, precision } = await createEngine({ device, engine, threads: 1 }, engineIo);
    expect([name, precision]).toEqual(['onnx', 'f32']);
  });

  it.each([
    ['cuda', 'slim setup cuda'],
    ['rocm', 'slim setup rocm'],
    ['tpu', 'slim setup tpu'],
  ] as const)('on %s, where that is not here, says what brings it', async (device, hint) => {
    const error = await refusal({ device });
    expect(error.message).toContain(`no PJRT plugin for ${device} is here: neither in ${pluginFolder(device)}`);
    const isHere = hasHardware(device);
    expect(error.message.startsWith(`--device ${device}: no driver for ${device} has found a device`)).toBe(!isHere);
    expect(error.hint).toBe(isHere ? `${hint} brings it.` : `With a device and its driver: ${hint}.`);
  });

  it('refuses what does not go together', async () => {
    expect(await refusal({ device: 'cuda', engine: 'onnx' })).toMatchObject({
      message: '--engine onnx does not compute on cuda',
      exitCode: 2,
    });
    expect(await refusal({ device: 'auto', precision: 'bf16', engine: 'onnx' })).toMatchObject({
      message: '--precision bf16: the onnx engine computes in f32',
      exitCode: 2,
    });
  });

  it.each([
    ['onnx', 'auto'],
    ['tfjs', 'auto'],
    ['tfjs', 'cuda'],
  ] as const)('refuses several devices for %s on %s', async (engine, device) => {
    expect(await refusal({ device, engine, devices: 2 })).toMatchObject({
      message: `--devices 2: the ${engine} engine computes on one`,
      exitCode: 2,
    });
  });

  it.each(['tfjs', 'xla'] as const)('refuses %s on webgpu, which is for onnx', async (engine) => {
    expect(await refusal({ device: 'webgpu', engine })).toMatchObject({
      message: `--engine ${engine} does not compute on webgpu`,
      hint: 'Leave out --engine: on webgpu it is onnx.',
      exitCode: 2,
    });
  });

  it.each(['bf16', 'tf32'] as const)('refuses products of %s on webgpu', async (precision) => {
    expect(await refusal({ device: 'webgpu', precision })).toMatchObject({
      message: `--precision ${precision}: the onnx engine computes in f32`,
      exitCode: 2,
    });
  });

  it.skipIf(withoutWebgpu !== null)(`on webgpu takes onnx there${skipNote(withoutWebgpu)}`, async () => {
    for (const engine of [undefined, 'onnx'] as const) {
      const { name, precision, description, dispose } = await createEngine({ device: 'webgpu', engine }, engineIo);
      expect([name, precision, description]).toEqual(['onnx', 'f32', expect.stringMatching(/ \(webgpu\)$/)]);
      await dispose();
    }
  });

  it('says what brings xla to the CPU', async () => {
    expect((await refusal({ device: 'cpu', engine: 'xla' })).hint).toBe('slim setup xla-cpu brings it.');
    expect((await refusal({ device: 'auto', engine: 'xla' })).hint).toBe('slim setup xla-cpu brings it.');
  });

  it.skipIf(withoutXla !== null)(
    `takes the plugin that is named for xla, and checks what it computes on${skipNote(withoutXla)}`,
    async () => {
      process.env.SLIM_PJRT_PLUGIN = cpuPlugin!;
      for (const device of ['auto', 'cpu'] as const) {
        const engine = await createEngine({ device, engine: 'xla', precision: 'bf16' }, engineIo);
        expect([engine.name, engine.precision]).toEqual(['xla', 'bf16']);
        expect(engine.description).toMatch(/^xla \(cpu, PJRT 0\.\d+, bf16 products\)$/);
        await engine.dispose();
      }
      expect((await createEngine({ device: 'auto' }, engineIo)).name, 'the CPU has a better engine').toBe('onnx');
      expect((await refusal({ device: 'cuda' })).message).toBe(
        `--device cuda: SLIM_PJRT_PLUGIN names ${cpuPlugin}, which computes on cpu`,
      );
    },
  );
});
