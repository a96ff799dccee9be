/** What the tfjs engine computes on: TensorFlow where it is here, else WebAssembly, of which it tells. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createEngine, type DeviceName } from '../../cli/engines/create.ts';
import type { Engine } from '../../cli/engines/engine.ts';
import { BINDING, findTensorflow, tensorflowFolder, tensorflowFor } from '../../cli/engines/tfjs/tensorflow.ts';
import { checkTensorflow } from '../../cli/engines/tfjs/tensorflow-check.ts';
import { hasHardware } from '../../cli/engines/xla/plugins.ts';
import { cacheFolder } from '../../cli/io/cache-folder.ts';
import type { UserError } from '../../cli/io/errors.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { layOutStandIn } from '../support/tfjs-node.ts';

const work = temporaryFolder();
const { signal } = new AbortController();
let count = 0;
beforeEach(() => {
  vi.stubEnv('SLIM_CACHE', join(work, `cache ${count++}`));
});
afterEach(() => {
  vi.unstubAllEnvs();
});

function told(): { io: Parameters<typeof createEngine>[1]; lines: string[] } {
  const lines: string[] = [];
  return { io: { stderr: { write: (text: string) => lines.push(text) }, signal }, lines };
}

const tfjs = (device: DeviceName, io = told().io): Promise<Engine> => createEngine({ device, engine: 'tfjs' }, io);

const refusal = async (device: DeviceName): Promise<UserError> =>
  tfjs(device).then(
    ({ description }) => {
      throw new Error(`got ${description}`);
    },
    (error: unknown) => error as UserError,
  );

it('without TensorFlow computes on WebAssembly, and warns of that once', async () => {
  const { io, lines } = told();
  for (const device of ['cpu', 'auto'] as const)
    expect((await tfjs(device, io)).description).toBe('tfjs 4.22.0 (wasm)');
  expect(lines).toEqual([
    expect.stringMatching(/^warning: tfjs computes on WebAssembly, .*: slim setup tensorflow .*\n$/),
  ]);
  expect([findTensorflow('cpu'), findTensorflow('gpu'), tensorflowFor('auto')]).toEqual([null, null, null]);
  await expect(checkTensorflow('cpu', signal)).rejects.toThrow('@tensorflow/tfjs-node is not here');
});

it('takes none from a folder above the one that slim setup fills', () => {
  layOutStandIn(join(tensorflowFolder('cpu'), '..'), 'cpu');
  layOutStandIn(cacheFolder(), 'cpu');
  mkdirSync(tensorflowFolder('cpu'));
  expect([findTensorflow('cpu'), tensorflowFor('auto')]).toEqual([null, null]);
});

describe('with TensorFlow', () => {
  it('computes on it without a word', async () => {
    layOutStandIn(tensorflowFolder('cpu'), 'cpu');
    const { io, lines } = told();
    const { description, precision, name } = await tfjs('cpu', io);
    expect([description, precision, name, lines]).toEqual(['tfjs 4.22.0 (TensorFlow 2.21.0, cpu)', 'f32', 'tfjs', []]);
    expect(await checkTensorflow('cpu', signal)).toEqual({
      description: 'tfjs 4.22.0 (TensorFlow 2.21.0, cpu)',
      usesGpu: false,
    });
  });

  it.each([
    ['is missing', null, (folder: string) => `@tensorflow/tfjs-node in ${folder} has no native binding, ${BINDING}`],
    ['is broken', 'nothing', (folder: string) => `${join(folder, BINDING)} does not load: invalid ELF header`],
  ])('whose binding %s says so, and which command builds it', async (_, binding, message) => {
    const folder = layOutStandIn(tensorflowFolder('cpu'), 'cpu', { binding });
    const expected = {
      name: 'UserError',
      message: message(folder),
      hint: 'slim setup tensorflow builds one that works here.',
    };
    expect(await refusal('cpu')).toMatchObject(expected);
    await expect(checkTensorflow('cpu', signal)).rejects.toMatchObject(expected);
  });

  it.each([
    ['4.21.0', '4.21.0'],
    [undefined, 'of no version that its package.json tells'],
  ])('of another version runs none of it, and says which command builds the one: %s', async (version, told) => {
    const ran = join(work, 'ran');
    const onLoad = `require('node:fs').writeFileSync(${JSON.stringify(ran)}, '');`;
    const folder = layOutStandIn(tensorflowFolder('cpu'), 'cpu', { version: version ?? '4.22.0', onLoad });
    if (version === undefined) writeFileSync(join(folder, 'package.json'), '{ "name": ');
    const expected = {
      name: 'UserError',
      message: `@tensorflow/tfjs-node in ${folder} is ${told}, and slim takes 4.22.0`,
      hint: 'slim setup tensorflow builds one that works here.',
    };
    expect(await refusal('cpu')).toMatchObject(expected);
    await expect(checkTensorflow('cpu', signal)).rejects.toMatchObject(expected);
    expect(existsSync(ran)).toBe(false);
  });

  it('may write what it likes, at its end too', async () => {
    const onLoad = `
      process.stdout.write('{"a":\\n half a line');
      process.on('exit', () => console.log('{"product": []}'));`;
    layOutStandIn(tensorflowFolder('cpu'), 'cpu', { onLoad });
    expect((await checkTensorflow('cpu', signal)).description).toBe('tfjs 4.22.0 (TensorFlow 2.21.0, cpu)');
  });

  it.each([
    ['ends without a word', 'process.exit(0);', 'ends the process that loads it with 0: it says nothing', 60_000],
    [
      'ends with other words',
      'console.log("{}"); process.exit(0);',
      'ends the process that loads it with 0: it',
      60_000,
    ],
    // Whatever the limit is, it never loads.
    [
      'hangs',
      'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);',
      'holds up the process that loads it',
      10,
    ],
  ])('that %s instead of computing is an error with a hint', async (_, onLoad, message, limitMs) => {
    const folder = layOutStandIn(tensorflowFolder('cpu'), 'cpu', { onLoad });
    await expect(checkTensorflow('cpu', signal, limitMs)).rejects.toMatchObject({
      name: 'UserError',
      message: expect.stringContaining(`${folder} ${message}`),
      hint: `TensorFlow needs a processor with AVX. Else remove ${folder}, and run slim setup tensorflow.`,
    });
  });

  it('says where it ends the process, or multiplies wrongly', async () => {
    const folder = layOutStandIn(tensorflowFolder('cpu'), 'cpu', { onLoad: 'process.kill(process.pid, "SIGSEGV");' });
    await expect(checkTensorflow('cpu', signal)).rejects.toThrow(
      `${folder} ends the process that loads it: it says nothing`,
    );
    layOutStandIn(tensorflowFolder('cpu'), 'cpu', { onLoad: 'console.error("bad"); process.exit(7);' });
    await expect(checkTensorflow('cpu', signal)).rejects.toThrow(
      `${folder} ends the process that loads it with 7: bad`,
    );
    layOutStandIn(tensorflowFolder('cpu'), 'cpu', { onLoad: 'Array.prototype.reduce = () => 1;' });
    await expect(checkTensorflow('cpu', signal)).rejects.toThrow(
      'tfjs 4.22.0 (TensorFlow 2.21.0, cpu) computes a product wrongly: expected 58, 64, 139, 154, got 1, 1, 1, 1',
    );
  });
});

describe('--device cuda', () => {
  it('says what brings the TensorFlow for it', async () => {
    layOutStandIn(tensorflowFolder('cpu'), 'cpu');
    expect(await refusal('cuda')).toMatchObject({
      message: `--device cuda --engine tfjs: @tensorflow/tfjs-node-gpu is not here: neither in ${tensorflowFolder('gpu')} nor beside slim`,
      hint: 'slim setup tensorflow --gpu brings it.',
    });
  });

  it('takes the one for GPUs, where that finds one', async () => {
    layOutStandIn(tensorflowFolder('gpu'), 'gpu', { usesGpu: true });
    expect((await tfjs('cuda')).description).toBe('tfjs 4.22.0 (TensorFlow 2.21.0, gpu)');
    expect(process.env.NVIDIA_TF32_OVERRIDE, 'products of f32').toBe('0');
  });

  it('does not compute on the CPU instead', async () => {
    const folder = layOutStandIn(tensorflowFolder('gpu'), 'gpu');
    expect((await refusal('cuda')).message).toBe(`--device cuda --engine tfjs: TensorFlow in ${folder} finds no GPU`);
    expect((await tfjs('auto')).description, 'auto, which tells').toBe(
      'tfjs 4.22.0 (TensorFlow 2.21.0, cpu, for it finds no GPU)',
    );
  });
});

it('auto takes what fits the machine, of both', () => {
  for (const variant of ['cpu', 'gpu'] as const) layOutStandIn(tensorflowFolder(variant), variant);
  expect(tensorflowFor('auto')?.variant).toBe(hasHardware('cuda') ? 'gpu' : 'cpu');
  expect([tensorflowFor('cpu')?.variant, tensorflowFor('cuda')?.variant]).toEqual(['cpu', 'gpu']);
});

it.each(['rocm', 'tpu'] as const)('refuses %s', async (device) => {
  expect(await refusal(device)).toMatchObject({ message: `--engine tfjs does not compute on ${device}`, exitCode: 2 });
});
