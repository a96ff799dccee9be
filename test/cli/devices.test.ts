/** slim devices: what could compute here, or why not. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DeviceReport } from '../../cli/engines/devices.ts';
import { BINDING, tensorflowFolder } from '../../cli/engines/tfjs/tensorflow.ts';
import { hasHardware, PLATFORMS, type Platform, pluginFolder } from '../../cli/engines/xla/plugins.ts';
import manifest from '../../package.json' with { type: 'json' };
import { skipNote } from '../contract/hosts/installed.ts';
import { slim, slimJson, workFolder } from '../support/cli.ts';
import { SLIM, startCommand } from '../support/process.ts';
import { layOutStandIn } from '../support/tfjs-node.ts';
import { noVulkan, vulkanEnvironment, withoutWebgpu } from '../support/webgpu.ts';
import { cpuPlugin, withoutXla } from '../support/xla.ts';

const work = workFolder();
const environment = { ...process.env };
beforeEach(() => {
  Object.assign(process.env, { SLIM_CACHE: work.path('cache'), PATH: '', HOME: work.path() });
  for (const name of ['SLIM_PJRT_PLUGIN', 'VIRTUAL_ENV', 'CONDA_PREFIX']) delete process.env[name];
});
afterEach(() => {
  Object.assign(process.env, environment);
});
afterAll(() => work.remove());

const isPlatform = (device: string): device is Platform => (PLATFORMS as readonly string[]).includes(device);

const devices = async (): Promise<DeviceReport[]> => (await slimJson(['devices'])).devices as unknown as DeviceReport[];

it('lists the engines of the CPU, with name, memory and version', async () => {
  const [onnx, webgpu, tfjs, tfjsOnGpu] = await devices();
  expect([webgpu.engine, webgpu.device, webgpu.version]).toEqual(['onnx', 'webgpu', onnx.version]);
  expect(onnx).toEqual({
    engine: 'onnx',
    device: 'cpu',
    name: expect.stringMatching(/, \d+ threads$/),
    memoryBytes: expect.any(Number),
    version: `onnxruntime ${manifest.devDependencies['onnxruntime-node']}`,
    plugin: null,
    problem: null,
    remedy: '',
    note: '',
  });
  expect(tfjs).toEqual({
    ...onnx,
    engine: 'tfjs',
    version: `tfjs ${manifest.devDependencies['@tensorflow/tfjs']} (wasm)`,
    remedy: 'slim setup tensorflow makes it faster.',
  });
  expect(tfjsOnGpu).toMatchObject(
    hasHardware('cuda')
      ? { engine: 'tfjs', device: 'cuda', remedy: 'slim setup tensorflow --gpu brings it.' }
      : { engine: 'tfjs', device: 'cuda', remedy: 'With one: slim setup tensorflow --gpu.' },
  );
  expect((await slim(['devices'])).stdout).toMatch(
    /\ntfjs {2}cpu {5}.* \(wasm\)\. slim setup tensorflow makes it faster\.\n/,
  );
});

it('has TensorFlow compute where it is, and says where it does not', async () => {
  layOutStandIn(tensorflowFolder('cpu'), 'cpu');
  expect((await devices())[2]).toMatchObject({
    version: 'tfjs 4.22.0 (TensorFlow 2.21.0, cpu)',
    problem: null,
    remedy: '',
  });
  const folder = layOutStandIn(tensorflowFolder('cpu'), 'cpu', { binding: 'nothing' });
  expect((await devices())[2]).toMatchObject({
    version: null,
    problem: `${join(folder, BINDING)} does not load: invalid ELF header`,
    remedy: 'slim setup tensorflow builds one that works here.',
  });
  layOutStandIn(tensorflowFolder('cpu'), 'cpu', { onLoad: 'process.exit(0);' });
  expect((await devices())[2]).toMatchObject({
    version: null,
    problem: `${folder} ends the process that loads it with 0: it says nothing`,
    remedy: `TensorFlow needs a processor with AVX. Else remove ${folder}, and run slim setup tensorflow.`,
  });
  rmSync(tensorflowFolder('cpu'), { recursive: true });
});

it('says of what is not here why, and what brings it', async () => {
  const absent = (await devices()).filter(
    ({ engine, device }) => engine === 'xla' && isPlatform(device) && !hasHardware(device),
  );
  expect(absent.map(({ device, problem, remedy }) => [device, problem, remedy])).toEqual([
    ...(['cuda', 'rocm', 'tpu'] as const)
      .filter((device) => !hasHardware(device))
      .map((device) => [device, `no driver for ${device} has found a device`, `With one: slim setup ${device}.`]),
    ['cpu', 'no plugin is here', 'slim setup xla-cpu brings it.'],
  ]);
  const { stdout } = await slim(['devices']);
  expect(stdout).toContain('\nxla   cpu     -  no plugin is here. slim setup xla-cpu brings it.\n');
});

it('says of a plugin that does not load why', async () => {
  const path = join(pluginFolder('cpu'), 'lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so');
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, 'nothing');
  const last = (await devices()).at(-1)!;
  expect([last.device, last.name, last.problem]).toEqual([
    'cpu',
    null,
    expect.stringContaining(`${path} is no PJRT plugin`),
  ]);
});

it.skipIf(withoutXla !== null)(`opens the plugins that are here${skipNote(withoutXla)}`, async () => {
  process.env.SLIM_PJRT_PLUGIN = cpuPlugin!;
  const found = (await devices()).filter(({ engine, device }) => engine === 'xla' && device === 'cpu');
  expect(found.length).toBeGreaterThan(0);
  for (const { name, version, problem } of found)
    expect([name, version, problem]).toEqual(['cpu', expect.stringMatching(/^PJRT 0\.\d+$/), null]);
  expect((await slim(['devices'])).stdout).toMatch(/\nxla {3}cpu {5}(\d+ × )?cpu, (.*, )?PJRT 0\.\d+\n$/);
});

describe.skipIf(withoutWebgpu !== null)(`webgpu${skipNote(withoutWebgpu)}`, () => {
  const webgpu = async (environment: Readonly<Record<string, string>>) => {
    // A process for each: what Vulkan's loader has found once, it keeps.
    const env = { ...process.env, ...environment };
    const { code, stdout } = await startCommand(process.execPath, [SLIM, 'devices'], { env }).exit;
    expect(code).toBe(0);
    return stdout.split('\n').find((line) => line.startsWith('onnx  webgpu'));
  };

  it('is there with an adapter, and nothing that auto takes', async () => {
    expect(await webgpu(vulkanEnvironment)).toBe(
      `onnx  webgpu  an adapter, onnxruntime ${manifest.devDependencies['onnxruntime-node']}; ` +
        'auto does not take it, for whether it is a GPU or software is not told',
    );
  });

  it('says without one what it needs', async () => {
    expect(await webgpu(noVulkan)).toMatch(
      /^onnx {2}webgpu {2}- {2}--device webgpu: no adapter opens: .*No supported adapters.*\. It needs Vulkan: /,
    );
  });
});
