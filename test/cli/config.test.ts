/** Flags over the config file over the defaults. `slim bench cost` shows them without computing anything. */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readRecord, slim, slimJson, workFolder, writePictures, writeTinyModel } from '../support/cli.ts';

const work = workFolder();
afterAll(() => work.remove());

function config(text: string | object): string {
  const path = work.path('config.json');
  writeFileSync(path, typeof text === 'string' ? text : JSON.stringify(text));
  return path;
}

const cost = (...args: string[]): string[] => ['bench', 'cost', '--model', 'vit-b16', ...args];

describe('--config', () => {
  it('is over the defaults and under the flags', async () => {
    expect((await slimJson(cost())).rank).toBe(32);
    expect((await slimJson(cost('--config', config({ rank: 16 })))).rank).toBe(16);
    expect((await slimJson(cost('--config', config({ rank: 16 }), '--rank', '8'))).rank).toBe(8);
    expect((await slimJson(['bench', 'cost', '--config', config({ model: 'vit-s16', rank: 4 })])).model).toBe(
      'vit-s16',
    );
  });

  it('takes switches, and ranks by layer as an object', async () => {
    const plain = (await slimJson(cost())).compressed as { blocks: { parameters: number } };
    const wide = (await slimJson(cost('--config', config({ layerRank: { up: 64 }, forceRank: true }))))
      .compressed as typeof plain;
    // 12 blocks, 32 more ranks of 768 + 3072 values each.
    expect(wide.blocks.parameters - plain.blocks.parameters).toBe(12 * 32 * (768 + 3072));
  });

  it.each<[string, string | object, string, string]>([
    ['an unknown key', { rnak: 3 }, 'cost has no flag for "rnak"', 'Known: model, classes, rank,'],
    ['a key that says how to report', { json: true }, 'cost has no flag for "json"', 'Known:'],
    ['a number that is none', { rank: 'x' }, 'rank is "x". Expected a whole number of at least 1.', ''],
    ['a number out of range', { rank: 0 }, 'rank is 0. Expected a whole number of at least 1.', ''],
    ['a number that is not whole', { rank: 1.5 }, 'rank is 1.5. Expected a whole number', ''],
    ['true for a number', { rank: true }, 'rank is true. Expected a string or a number.', ''],
    ['null', { rank: null }, 'rank is null. Expected a string or a number.', ''],
    ['a list for one value', { rank: [1] }, 'rank is [1]. Expected a string or a number.', ''],
    ['a number for a name', { model: 5 }, 'model is 5. Expected a string.', ''],
    ['an object for a name', { model: { a: 1 } }, 'model is {"a":1}. Expected a string.', ''],
    ['a word for a switch', { forceRank: 'yes' }, 'forceRank is "yes". Expected true or false.', ''],
    ['a layer without a rank', { layerRank: { up: 'x' } }, 'layerRank is {"up":"x"}. Expected NAME=RANK', ''],
    ['a list', [], 'expected an object of flags', ''],
    ['broken JSON', '{"rank": 4', 'is not valid JSON', ''],
    ['prototype keys', '{"__proto__": {"rank": 4}}', 'cost has no flag for "__proto__"', 'Known:'],
  ])('refuses %s', async (_, content, message, hint) => {
    const path = config(content);
    const { code, stdout, stderr } = await slim(cost('--config', path));
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(`${path}`);
    expect(stderr).toContain(message);
    expect(stderr).toContain(hint);
    expect(stderr.trimEnd().split('\n').length).toBeLessThanOrEqual(2);
  });

  it('refuses a file that is not there', async () => {
    expect(await slim(cost('--config', work.path('nope.json')))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("error: --config: can't read"),
    });
  });
});

describe('the configuration of a run', () => {
  const training = [
    'finetune',
    '--model',
    work.path('model'),
    '--data',
    work.path('pictures'),
    '--threads',
    '1',
    '--batch-size',
    '8',
  ];
  beforeAll(async () => {
    await writeTinyModel(work.path('model'));
    await writePictures(work.path('pictures'), { train: 6, val: 2 });
  });

  it('can be given back as --config: the same run again', async () => {
    await slimJson([
      'train',
      ...training.slice(1),
      '--rank',
      '4',
      '--steps',
      '2',
      '--learning-rate',
      '0.003',
      '--freeze',
      'norms',
      '--out',
      work.path('first'),
    ]);
    const { configuration } = readRecord(work.path('first'));
    expect(configuration).toMatchObject({ steps: 2, learningRate: 0.003, freeze: ['norms'], rank: 4 });
    await slimJson(['train', '--config', config(configuration as object), '--out', work.path('second')]);
    expect(readRecord(work.path('second')).configuration).toEqual({
      ...(configuration as object),
      out: work.path('second'),
    });
  });

  it('takes an empty list for a flag with several values', async () => {
    const result = await slim([
      'train',
      ...training.slice(1),
      '--rank',
      '4',
      '--steps',
      '1',
      '--config',
      config({ freeze: [] }),
      '--out',
      work.path('unfrozen'),
    ]);
    expect(result.code).toBe(0);
    expect(readRecord(work.path('unfrozen')).configuration).toMatchObject({ freeze: [] });
  });

  it('lets --epochs win over the steps of a file, and refuses both at once', async () => {
    // 18 pictures in batches of 8: 2 steps an epoch.
    expect((await slimJson([...training, '--config', config({ steps: 5 }), '--out', work.path('steps')])).steps).toBe(
      5,
    );
    expect(
      (await slimJson([...training, '--config', config({ steps: 5 }), '--epochs', '2', '--out', work.path('epochs')]))
        .steps,
    ).toBe(4);
    expect(await slim([...training, '--steps', '5', '--epochs', '2', '--out', work.path('both')])).toMatchObject({
      code: 2,
      stderr:
        "error: option '--steps <n>' cannot be used with option '--epochs <n>'\nhint: See slim finetune --help.\n",
    });
  });
});
