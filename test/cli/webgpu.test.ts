/** slim train --device webgpu on SwiftShader, as a process of its own: beside the CPU, stopped and resumed, and refused. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { skipNote } from '../contract/hosts/installed.ts';
import {
  expectSameLosses,
  readMetrics,
  readRecord,
  slimJson,
  untimed,
  workFolder,
  writePictures,
  writeTinyModel,
} from '../support/cli.ts';
import { type Exit, type Running, SLIM, startCommand } from '../support/process.ts';
import { noVulkan, vulkanEnvironment, withoutWebgpu } from '../support/webgpu.ts';

const work = workFolder();
afterAll(() => work.remove());

/** 8 steps; λ reaches 0 at step 4. A few pictures: SwiftShader takes its time. */
const train = [
  'train',
  ...['--model', work.path('model'), '--data', work.path('pictures'), '--rank', '4', '--steps', '8'],
  ...['--decay-end', '0.5', '--batch-size', '8', '--evaluate-every', '8', '--learning-rate', '0.005'],
  // The default loss is 0 at the start, where losses are compared by their ratio.
  ...['--alpha', '0.2', '--logit-loss', '0'],
];
const onWebgpu = [...train, '--device', 'webgpu'];

function start(args: readonly string[], environment = vulkanEnvironment): Running {
  return startCommand(process.execPath, [SLIM, ...args], { env: { ...process.env, ...environment } });
}

async function succeed(args: readonly string[]): Promise<Exit> {
  const exit = await start(args).exit;
  expect(exit, exit.stderr).toMatchObject({ code: 0, signal: null });
  return exit;
}

describe.skipIf(withoutWebgpu !== null)(`slim on webgpu${skipNote(withoutWebgpu)}`, { timeout: 240_000 }, () => {
  beforeAll(async () => {
    await writeTinyModel(work.path('model'));
    await writePictures(work.path('pictures'));
    await slimJson([...train, '--device', 'cpu', '--threads', '1', '--out', work.path('cpu')]);
    await succeed([...onWebgpu, '--out', work.path('webgpu')]);
  }, 240_000);

  it('takes 8 steps with the losses of the CPU', () => {
    expectSameLosses(work.path('webgpu'), work.path('cpu'), 8, 1e-4);
  });

  it('records where it computed', () => {
    expect(readRecord(work.path('webgpu')).configuration).toMatchObject({
      engine: 'onnx',
      device: 'webgpu',
      precision: 'f32',
    });
  });

  it('is evaluated there, too, as on the CPU', async () => {
    const evaluated = async (device: string): Promise<unknown> => {
      const args = ['evaluate', work.path('webgpu'), '--data', work.path('pictures'), '--device', device, '--json'];
      return JSON.parse((await succeed(args)).stdout).accuracy;
    };
    expect(await evaluated('webgpu')).toBe(await evaluated('cpu'));
  });

  it('interrupted, ends with 130 and resumes to the weights of an unbroken run', async () => {
    const out = work.path('stopped');
    const running = start([...onWebgpu, '--out', out]);
    await running.saw(/step 1\/8/);
    running.child.kill('SIGINT');
    expect(await running.exit).toMatchObject({ code: 130, signal: null });
    await succeed([...onWebgpu, '--resume', '--out', out]);
    const weights = (run: string): Buffer => readFileSync(`${run}/weights.safetensors`);
    expect(weights(out).equals(weights(work.path('webgpu')))).toBe(true);
    expect(untimed(readMetrics(out))).toEqual(untimed(readMetrics(work.path('webgpu'))));
  });

  it('interrupted while the device computes, ends with 130', async () => {
    const running = start([...onWebgpu, '--out', work.path('early')]);
    await running.saw(/compressing/);
    running.child.kill('SIGINT');
    expect(await running.exit).toMatchObject({ code: 130, signal: null });
  });

  it('says without an adapter what it needs, and computes nowhere else', async () => {
    const { code, stderr } = await start([...onWebgpu, '--out', work.path('none')], noVulkan).exit;
    expect(code).toBe(1);
    expect(stderr).toContain('--device webgpu: no adapter opens: Failed to get a WebGPU adapter');
    expect(stderr).toContain("It needs Vulkan: the GPU's driver and the loader");
    expect(stderr).not.toContain('a bug in slim');
  });
});
