/** Whose classes are whose. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findClasses, matchClasses } from '../../cli/pretrained/class-match.ts';
import { readLabels } from '../../cli/pretrained/labels-file.ts';
import { folderOf } from '../data/picture-files.ts';

const refusal = (message: string | RegExp, hint: string | RegExp = ''): unknown =>
  expect.objectContaining({
    name: 'UserError',
    message: expect.stringMatching(message),
    hint: expect.stringMatching(hint),
  });

const labelsFile = async (content: string): ReturnType<typeof readLabels> => {
  const path = join(folderOf({}), 'labels');
  writeFileSync(path, content);
  return readLabels(path);
};

describe('without --labels', () => {
  it.each<[string, readonly string[], readonly string[], readonly number[], string]>([
    ['by name', ['a', 'b', 'c'], ['c', 'a'], [2, 0], ''],
    ['by number', ['negative', 'positive'], ['0', '1'], [0, 1], '0 is negative, 1 is positive'],
    ['by number, some', ['x', 'y', 'z'], ['0', '2'], [0, 2], '0 is x, 2 is z'],
    ['numbers that are names', ['1', '0'], ['0', '1'], [1, 0], ''],
    ['names that are made up', ['LABEL_0', 'LABEL_1'], ['neg', 'pos'], [0, 1], 'neg is LABEL_0, pos is LABEL_1'],
    ['numbers of made up names', ['LABEL_0', 'LABEL_1', 'LABEL_2'], ['0', '2'], [0, 2], '2 is LABEL_2'],
    ['another spelling', ['NEGATIVE', 'Very_Good'], ['negative', 'very good'], [0, 1], 'negative is NEGATIVE'],
    [
      'true and false as places',
      ['negative', 'positive'],
      ['true', 'false'],
      [1, 0],
      'true is positive, false is negative',
    ],
    ['true alone', ['negative', 'positive'], ['true'], [1], 'true is positive'],
    ['labels without names', ['a', 'b', 'c'], ['LABEL_0', 'LABEL_1', 'LABEL_2'], [0, 1, 2], 'LABEL_1 is b'],
    ['true and 1', ['false', 'true'], ['True', 'False'], [1, 0], 'True is true'],
  ])('%s', (_, model, data, indices, notice) => {
    const match = matchClasses(model, data);
    expect(match.indices).toEqual(indices);
    expect(match.notices).toEqual(notice === '' ? [] : [expect.stringContaining(notice)]);
  });

  it.each<[string, readonly string[], readonly string[]]>([
    ['another name', ['a', 'b'], ['a', 'c']],
    ['numbers beyond the list', ['a', 'b'], ['0', '2']],
    ['numbers that may begin with 1', ['a', 'b', 'c'], ['1', '2']],
    ['numbers where names have others', ['1 star', '2 stars'], ['0', '1']],
    ['true that would be a denial', ['spam', 'no spam'], ['false', 'true']],
    ['true of three', ['a', 'b', 'c'], ['false', 'true']],
    ['numbers in other writing', ['0', '1'], ['1', '01', '+1']],
    ['two spellings of one', ['A', 'a'], ['á', 'A']],
    ['two of one spelling', ['new york', 'NEW YORK', 'x'], ['New York', 'x']],
  ])('%s is not known', (_, model, data) => {
    expect(findClasses(model, data)).toBeNull();
    expect(() => matchClasses(model, data)).toThrow(
      refusal(/^the model does not know the data's class/, '--labels FILE'),
    );
  });

  it('all that are not known are named with their samples, and what they may be is proposed', () => {
    const model = ['ant', 'bee', 'tench, Tinca tinca'];
    const data = ['ants', 'Bee', 'tinca', 'wasps'];
    expect(() => matchClasses(model, data, null, { counts: [120, 4, 1, 80] })).toThrow(
      refusal(
        /^the model does not know the data's classes ants \(120 samples\), tinca \(1 sample\), wasps \(80 samples\): 3 of 4$/,
        /Perhaps ants is ant, tinca is tench, Tinca tinca\. .*\{"ants": "ant", "tinca": "tench, Tinca tinca", "wasps": "NAME"\}; null/,
      ),
    );
    const many = Array.from({ length: 3000 }, (_, i) => `x${i}`);
    expect(() => matchClasses(model, many)).toThrow(refusal(/x9 and 2990 more: 3000 of 3000$/));
  });

  it('of lists of another length than the model has labels is refused', () => {
    expect(() => matchClasses(['a', 'b', 'c'], ['LABEL_0', 'LABEL_1'])).toThrow(
      refusal(/^the data has 2 labels without names, the model has 3 \(a, b, c\)$/, /a value for each/),
    );
  });

  it('what holds several labels in a text is asked about', () => {
    expect(() => matchClasses(['a', 'b'], ['a|b', 'b|a', 'a'])).toThrow(refusal(/a\|b, b\|a/, '--label-separator "|"'));
  });
});

describe('--labels', () => {
  const model = ['negative', 'neutral', 'positive'];

  it('names, one a line or as a JSON list, are in the order of the model', async () => {
    for (const content of ['bad\nso-so\r\ngood\n', '["bad", "so-so", "good"]', '\ufeffbad\nso-so\ngood'])
      expect(matchClasses(model, ['good', 'bad'], await labelsFile(content)).indices).toEqual([2, 0]);
  });

  it('pairs tell the name or the place; others keep their name', async () => {
    const pairs = await labelsFile('{"good": "positive", "bad": 0}');
    expect(matchClasses(model, ['bad', 'good', 'neutral'], pairs).indices).toEqual([0, 2, 1]);
  });

  it.each<[string, readonly string[], RegExp]>([
    ['bad\ngood', ['bad', 'good'], /gives 2 names, and the model has 3 classes/],
    ['bad\nx\ngood', ['fine'], /does not name the data's class fine/],
    ['{"good": "great"}', ['good'], /good is to be great, which the model does not have/],
    ['{"good": 3}', ['good'], /good is to be 3, which the model does not have/],
    ['{"good": "positive"}', ['good', 'positive'], /positive and good are to be the same class/],
    ['{"good": "positive"}', ['bad', 'good'], /bad is to be bad, which the model does not have/],
  ])('%s for %j', async (content, data, message) => {
    const labels = await labelsFile(content);
    expect(() => matchClasses(model, data, labels)).toThrow(refusal(message));
  });

  it('gives several of the data one class where it is judged, and says so where it is not', async () => {
    const pairs = await labelsFile('{"1": "negative", "2": "negative", "3": null, "4": 2}');
    expect(matchClasses(model, ['1', '2', '4'], pairs, { mayShare: true }).indices).toEqual([0, 0, 2]);
    expect(() => matchClasses(model, ['1', '2', '4'], pairs)).toThrow(
      refusal(/2 and 1 are to be the same class/, 'only slim evaluate takes several for one'),
    );
  });

  it("knows the data's classes in whatever writing, but once", async () => {
    expect(
      matchClasses(model, ['true', '1'], await labelsFile('{"True": "positive", "1.0": "neutral"}')).indices,
    ).toEqual([2, 1]);
    const twice = await labelsFile('{"1": "positive", "1.0": "neutral"}');
    expect(() => matchClasses(model, ['1'], twice)).toThrow(refusal(/two of its names are the data's class 1/));
  });

  it('of a name that several classes have is asked for by place', async () => {
    const pairs = await labelsFile('{"bird": "crane"}');
    expect(() => matchClasses(['crane', 'crane'], ['bird'], pairs)).toThrow(refusal(/several/, '"bird": 0'));
  });

  it.each([
    ['{"a": true}', /gives true for a/],
    ['{}', /says nothing/],
    ['{"a"', /no valid JSON/],
    ['a\na', /has a twice/],
    ['{"a": "x\\": b", "b": 0, "\\u0061": "y"}', /names a twice/],
    ['a\n\nb', /name 2 in .* is empty/],
    ['["a", 1]', /name 2 in .* no text/],
  ])('%s is none', async (content, message) => {
    await expect(labelsFile(content)).rejects.toEqual(refusal(message));
  });

  it('that is not there is named', async () => {
    await expect(readLabels('/no/such/file')).rejects.toEqual(refusal(/--labels: can't read \/no\/such\/file/));
    expect(await readLabels(undefined)).toBeNull();
  });
});
