/** slim export on the command line: what it writes, what it says, and what it leaves alone. */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { slim, slimJson, workFolder, writePictures, writeTinyModel } from '../support/cli.ts';

const work = workFolder();
const [model, data, small, int8] = ['model', 'pictures', 'small', 'int8'].map((name) => work.path(name));

beforeAll(async () => {
  await writeTinyModel(model);
  await writePictures(data, { train: 4, val: 2 });
  const training = ['--rank', '2', '--steps', '1', '--batch-size', '4', '--threads', '1'];
  await slimJson(['train', '--model', model, '--data', data, ...training, '--out', small]);
  await slimJson(['quantize', small, '--out', int8]);
}, 120_000);
afterAll(() => work.remove());

const refused = async (args: readonly string[], code: number, error: string): Promise<void> => {
  const outcome = await slim(['export', ...args]);
  const lines = outcome.stderr.split('\n').filter((line) => line.startsWith('error: '));
  expect([outcome.code, outcome.stdout, lines]).toEqual([code, '', [`error: ${error}`]]);
};

describe('slim export', () => {
  it('writes a folder as optimum has it, and says what and how large', async () => {
    const out = work.path('onnx');
    const { files, bytes, ...result } = await slimJson(['export', small, '--to', 'onnx', '--out', out]);
    expect(result).toEqual({ version: 1, out, to: 'onnx' });
    const written = ['config.json', 'model.onnx', 'preprocessor_config.json', 'slim-export.json'];
    expect(readdirSync(out).sort()).toEqual(written);
    const sizes = written.map((name) => ({ name, bytes: readFileSync(`${out}/${name}`).length }));
    expect([files, bytes]).toEqual([sizes, sizes.reduce((sum, one) => sum + one.bytes, 0)]);
    expect(JSON.parse(readFileSync(`${out}/config.json`, 'utf8'))).toMatchObject({
      id2label: { 0: 'dark', 1: 'grey', 2: 'light' },
    });
  });

  it('writes one file, of a quantized run a smaller one', async () => {
    const sizeOf = async (run: string, name: string): Promise<number> =>
      (await slimJson(['export', run, '--to', 'onnx', '--out', work.path(name)])).bytes as number;
    expect(await sizeOf(int8, 'int8.onnx')).toBeLessThan(await sizeOf(small, 'f32.onnx'));
  });

  it.each([
    [['safetensors'], ['config.json', 'model.safetensors', 'preprocessor_config.json', 'slim-export.json']],
    [
      ['safetensors', '--layout', 'factors'],
      ['README.md', 'config.json', 'factors.safetensors', 'load.py', 'preprocessor_config.json', 'slim-export.json'],
    ],
  ])('writes a Hugging Face folder: %s', async (to, files) => {
    const out = work.path(to.join('-'));
    await slimJson(['export', small, '--to', ...to, '--out', out]);
    expect(readdirSync(out).sort()).toEqual(files);
  });

  it('replaces what an export wrote, where it is asked to, and nothing else', async () => {
    const out = work.path('again');
    const args = [small, '--to', 'safetensors', '--out', out];
    await slimJson(['export', ...args]);
    await refused(args, 2, `--out ${out} already exists`);
    await slimJson(['export', ...args, '--overwrite', '--layout', 'factors']);
    expect(readdirSync(out)).not.toContain('model.safetensors');
    writeFileSync(`${out}/notes.txt`, 'mine');
    await refused(
      [...args, '--overwrite'],
      2,
      `--out ${out} has a notes.txt, which no export writes, so --overwrite leaves the folder alone`,
    );
    expect(readFileSync(`${out}/notes.txt`, 'utf8')).toBe('mine');
  });

  it('leaves a model alone that no export wrote, whatever its files are called', async () => {
    const out = work.path('theirs');
    cpSync(model, out, { recursive: true });
    await refused(
      [small, '--to', 'safetensors', '--out', out, '--overwrite'],
      2,
      `--out ${out} has no slim-export.json, so no export wrote it, and --overwrite leaves the folder alone`,
    );
    expect(readdirSync(out).sort()).toEqual(readdirSync(model).sort());
  });

  it('never replaces the base that an adapter is for', async () => {
    const [base, lora] = [work.path('base'), work.path('lora')];
    await slimJson(['export', model, '--to', 'safetensors', '--out', base]);
    const training = ['--method', 'lora', '--rank', '2', '--steps', '1', '--batch-size', '4', '--threads', '1'];
    await slimJson(['train', '--model', base, '--data', data, ...training, '--out', lora]);
    await refused([lora, '--to', 'peft', '--out', base, '--overwrite'], 2, `--out ${base} is the model that is read`);
    expect(readdirSync(base)).toContain('model.safetensors');
  });

  it.each([
    ['scales', NaN, 'expected finite scales of at least 0, got NaN'],
    ['scales', -1, 'expected finite scales of at least 0, got -1'],
  ])('refuses a quantized run whose %s hold %s', async (_, value, error) => {
    const damaged = work.path(`damaged${value}`);
    cpSync(int8, damaged, { recursive: true });
    const file = `${damaged}/weights.safetensors`;
    const bytes = readFileSync(file);
    const headerBytes = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.subarray(8, 8 + headerBytes).toString());
    const [name] = Object.keys(header).filter((key) => key.endsWith('.scale'));
    bytes.writeFloatLE(value, 8 + headerBytes + header[name].data_offsets[0]);
    writeFileSync(file, bytes);
    await refused([damaged, '--to', 'onnx', '--out', work.path('x.onnx')], 1, `tensor ${name} in ${file}: ${error}`);
  });

  it('leaves nothing where it fails', async () => {
    const parent = work.path('failing');
    mkdirSync(parent);
    const error =
      `${int8} is quantized: its layers were put together before that, ` +
      'and block.0.query.loraB is part of others since';
    await refused([int8, '--to', 'safetensors', '--out', `${parent}/out`], 1, error);
    expect(readdirSync(parent)).toEqual([]);
  });

  it('refuses wrong usage', async () => {
    const out = work.path('none');
    await refused([small, '--out', out], 2, '--to is missing');
    await refused([small, '--to', 'onnx'], 2, '--out is missing');
    await refused([small, '--to', 'onnx', '--out', small], 2, `--out ${small} is the model that is read`);
    await refused(
      [small, '--to', 'onnx', '--layout', 'factors', '--out', out],
      2,
      '--layout is for --to safetensors, not onnx',
    );
    await refused(
      [small, '--to', 'safetensors', '--weights', 'int8', '--out', out],
      2,
      '--weights is for --to onnx, not safetensors',
    );
    await refused(
      [small, '--to', 'safetensors', '--out', `${out}.safetensors`],
      2,
      `--out ${out}.safetensors: --to safetensors writes a folder`,
    );
    await refused(
      [model, '--to', 'safetensors', '--layout', 'factors', '--out', out],
      2,
      `--layout factors: ${model} is dense and has none`,
    );
  });

  it('says of a .slim file what to give instead', async () => {
    const file = work.path('model.slim');
    await slimJson(['pack', small, '--out', file]);
    await refused(
      [file, '--to', 'onnx', '--out', work.path('unpacked.onnx')],
      1,
      `${file} is a file, expected a run: a .slim holds the steps of Slim's own runtime, of which no model can be made again`,
    );
  });
});
