/** Adapters of slim train --method lora: Slim itself, which reads PEFT's, takes the run's weights out of base and adapter. */
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { floatTensors, loadTrainedModel } from '../../cli/train/trained-model.ts';
import { slim, slimJson, workFolder, writePictures, writeTinyModel } from '../support/cli.ts';

const work = workFolder();
const [model, data, run, adapter] = ['model', 'pictures', 'lora', 'adapter'].map((name) => work.path(name));
const training = ['--data', data, '--rank', '2', '--steps', '4', '--batch-size', '8', '--threads', '1'];

beforeAll(async () => {
  await writeTinyModel(model);
  await writePictures(data, { train: 8, val: 2 });
  const lora = ['--method', 'lora', '--learning-rate', '0.01', '--lora-alpha', '6', '--layer-rank', 'up=3'];
  await slimJson(['train', '--model', model, ...training, ...lora, '--out', run]);
  await slimJson(['export', run, '--to', 'peft', '--out', adapter]);
}, 120_000);
afterAll(() => work.remove());

async function refusal(args: readonly string[]): Promise<string> {
  const { code, stderr } = await slim(['export', ...args, '--out', work.path('none')]);
  expect(code).toBe(1);
  return stderr;
}

describe('slim export --to peft', () => {
  it('gives the weights of the run, together with its base', async () => {
    const [ours, theirs] = await Promise.all([loadTrainedModel(run), loadTrainedModel(adapter, { base: model })]);
    expect(theirs.config.labels).toEqual(ours.config.labels);
    const [expected, got] = [ours, theirs].map(({ stored }) => floatTensors(stored));
    const dense = floatTensors((await loadTrainedModel(model)).stored);
    for (const [name, values] of expected) {
      const worst = Math.max(...values.map((value, i) => Math.abs(value - got.get(name)![i])));
      expect(worst, name).toBeLessThan(1e-6);
    }
    const up = 'block.0.up.weight';
    expect(Math.max(...expected.get(up)!.map((value, i) => Math.abs(value - dense.get(up)![i])))).toBeGreaterThan(1e-3);
  });

  it('says what PEFT asks: ranks and scalings by module, and the modules that trained themselves', () => {
    expect(readdirSync(adapter).sort()).toEqual([
      'adapter_config.json',
      'adapter_model.safetensors',
      'preprocessor_config.json',
      'slim-export.json',
    ]);
    const config = JSON.parse(readFileSync(`${adapter}/adapter_config.json`, 'utf8')) as Record<string, unknown>;
    expect(config).toMatchObject({
      peft_type: 'LORA',
      base_model_name_or_path: model,
      lora_bias: true,
      r: 2,
      lora_alpha: 6,
    });
    expect(Object.values(config.rank_pattern as object)).toEqual([3, 3]);
    expect(Object.values(config.alpha_pattern as object)).toEqual([9, 9]);
    expect((config.target_modules as string[]).length).toBe(12);
    expect(config.modules_to_save).toContain('classifier');
  });

  it('refuses what is no adapter, and says what to use instead', async () => {
    const small = work.path('small');
    await slimJson(['train', '--model', model, ...training, '--out', small]);
    const compressed = await refusal([small, '--to', 'peft']);
    expect(compressed).toContain('the weights of its base have faded out');
    expect(compressed).toContain('--to safetensors --layout factors');
    expect(await refusal([model, '--to', 'peft'])).toContain('has no adapter (adapter.safetensors)');
  });

  it('refuses a base that the adapter was not trained on', async () => {
    const other = work.path('other');
    cpSync(run, other, { recursive: true });
    expect(await refusal([run, '--to', 'peft', '--base', other])).toContain(
      `${other} is not what ${run} was trained from: block.0.query.weight has other values there`,
    );
  });
});
