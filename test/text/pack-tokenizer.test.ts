import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { packTokenizer } from '../../cli/text/pack-tokenizer.ts';
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { createAnyTokenizer } from '../../runtime/text/any-tokenizer.ts';
import { readTokenizer } from '../../runtime/text/artifact-tokenizer.ts';
import { createTokenizer } from '../../runtime/text/tokenizer.ts';
import { bertTokenizer, smallTextArtifact } from '../runtime/text/small-tokenizer.ts';

it('packs the JSON, to the same bytes each time', () => {
  const { dtype, shape, data } = packTokenizer(bertTokenizer());
  expect([dtype, shape]).toEqual(['U8', [data.length]]);
  expect(JSON.parse(gunzipSync(data).toString())).toEqual(bertTokenizer());
  expect(packTokenizer(bertTokenizer()).data).toEqual(data);
  // RFC 1952: no time, and no system.
  expect([...data.slice(0, 10)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]);
});

it('refuses what is no tokenizer', () => {
  expect(() => packTokenizer({ model: null })).toThrow(/tokenizer\.model/);
});

it('is what an artifact gives back', async () => {
  const [packed, made] = [
    await readTokenizer(await readArtifact(await smallTextArtifact()), createAnyTokenizer),
    createTokenizer(bertTokenizer()),
  ];
  for (const text of ['', 'a good film', 'Films!', '漢字 xxx'])
    expect(packed.encode(text, 'bad', 9)).toEqual(made.encode(text, 'bad', 9));
  expect(packed.vocabSize).toBe(made.vocabSize);
});
