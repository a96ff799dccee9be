/**
 * The artifact's reader: every part of a manifest that could make the runtime read or write where it must not is
 * refused.
 */
import { describe, expect, it } from 'vitest';
import { pack } from '../../../cli/compress/pack.ts';
import { quantizeTensors } from '../../../cli/compress/quantize.ts';
import { f32Tensor, storedTensors } from '../../../cli/compress/stored-tensors.ts';
import { readArtifact, writeArtifact } from '../../../runtime/artifact/artifact.ts';
import { ArtifactError, type ArtifactErrorCode } from '../../../runtime/artifact/errors.ts';
import type { Manifest } from '../../../runtime/artifact/manifest.ts';
import { DEFAULT_LIMITS } from '../../../runtime/artifact/plan.ts';
import { memoryLayout } from '../../../runtime/artifact/plan-memory.ts';
import { readSafetensors, type Tensor, writeSafetensors } from '../../../runtime/artifact/safetensors.ts';
import { factorName, scaleName } from '../../../runtime/artifact/steps.ts';
import { smallBert, textDescription } from '../../compress/small-bert.ts';
import { description, smallVit } from '../../compress/small-vit.ts';

const { logits, values } = smallVit('low-rank');
const valid = await pack(logits, quantizeTensors(storedTensors(logits, values), logits), description);
const { tensors } = readSafetensors(valid);

/** A manifest to be broken: any field may become anything. */
type Loose = Record<string, any>;

/** The valid artifact with its manifest changed. */
async function withManifest(change: (manifest: Loose) => void): Promise<Uint8Array> {
  const manifest = structuredClone((await readArtifact(valid)).manifest) as Loose;
  change(manifest);
  return writeSafetensors(tensors, new Map([['slim', JSON.stringify(manifest)]]));
}

async function errorOf(bytes: Uint8Array): Promise<ArtifactError> {
  const error: unknown = await readArtifact(bytes).then(
    () => new Error('it was read'),
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(ArtifactError);
  return error as ArtifactError;
}

function firstStep(manifest: Loose, op: string): Loose {
  return manifest.plan.steps.find((step: Loose) => step.op === op) as Loose;
}

it('gives back what was packed', async () => {
  const { manifest, fileBytes } = await readArtifact(valid);
  expect(manifest).toMatchObject(description);
  expect(fileBytes).toBe(valid.length);
  expect(manifest.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
});

it('refuses a checkpoint, saying what to do', async () => {
  const error = await errorOf(writeSafetensors(tensors));
  expect(error.code).toBe('manifest');
  expect(error.message).toMatch(/pack it first/);
});

describe('a manifest is refused', () => {
  const cases: [name: string, change: (manifest: Loose) => void, code: ArtifactErrorCode, message: RegExp][] = [
    ['of another version', (m) => (m.formatVersion = 3), 'version', /formatVersion: expected 2, got 3/],
    ['without labels', (m) => delete m.labels, 'manifest', /labels: expected a list .*, got undefined/],
    ['with an unknown field', (m) => (m.extra = 1), 'manifest', /unknown field "extra"/],
    [
      'of an unknown task',
      (m) => (m.task = 'mining'),
      'manifest',
      /task: expected image-classification or text-classification, got "mining"/,
    ],
    ['with a label that is a number', (m) => (m.labels[1] = 7), 'manifest', /labels\[1\]: expected a string, got 7/],
    [
      'with fewer labels than logits',
      (m) => m.labels.pop(),
      'plan',
      /output, tokens and inputs \[\[1,4\],.*, got \[\[1,5\],/,
    ],
    ['with an accuracy over 1', (m) => (m.accuracy[0].accuracy = 74), 'manifest', /from 0 to 1, got 74/],
    ['with a plan that is no object', (m) => (m.plan = []), 'plan', /expected an object/],
    [
      'with an unknown kernel',
      (m) => (m.plan.steps[0].op = 'constructor'),
      'plan',
      /steps\[0\]\.op: expected patchify or .*, got "constructor"/,
    ],
    [
      'with a missing operand',
      (m) => delete m.plan.steps[0].out,
      'plan',
      /steps\[0\]\.out: expected a whole number .*, got undefined/,
    ],
    ['with an extra operand', (m) => (m.plan.steps[0].also = 1), 'plan', /unknown field "also"/],
    [
      'with too many steps',
      (m) => (m.plan.steps = Array(10_001).fill(m.plan.steps[0])),
      'plan',
      /steps: expected a list of 0 to 10000/,
    ],
    [
      'writing past the arena',
      (m) => (m.plan.steps[0].out = m.plan.arenaBytes - 16),
      'plan',
      /\.out: expected 2880 bytes at a multiple of 16 in the arena of 11520, got offset/,
    ],
    [
      'writing far past the arena',
      (m) => (m.plan.steps[0].out = 2 ** 52),
      'plan',
      /\.out: expected 2880 bytes at a multiple of 16 in the arena of 11520, got offset/,
    ],
    ['with a negative offset', (m) => (m.plan.steps[0].out = -16), 'plan', /expected a whole number .*, got -16/],
    ['with an offset between registers', (m) => (m.plan.steps[0].out += 4), 'plan', /multiple of 16/],
    [
      'with a size of 0',
      (m) => (firstStep(m, 'layerNorm').rows = 0),
      'plan',
      /rows: expected a whole number from 1 to 16777216, got 0/,
    ],
    [
      'with sizes whose product overflows',
      (m) => Object.assign(firstStep(m, 'layerNorm'), { rows: 2 ** 24, columns: 2 ** 24 }),
      'plan',
      /x: expected 1125899906842624 bytes/,
    ],
    [
      'with an output over an input',
      (m) => (firstStep(m, 'layerNorm').quantized = firstStep(m, 'layerNorm').x),
      'plan',
      /x at \d+ overlaps plan.*\.quantized at \d+/,
    ],
    [
      'with rows over their own floats',
      (m) => (firstStep(m, 'quantizeRows').quantized = firstStep(m, 'quantizeRows').x),
      'plan',
      /x at \d+ overlaps plan.*\.quantized at \d+/,
    ],
    [
      'with a residual over its output',
      (m) => (firstStep(m, 'linearInt8').residual = firstStep(m, 'linearInt8').out),
      'plan',
      /residual at \d+ overlaps plan.*\.out at \d+/,
    ],
    [
      'with a layer that gives nothing',
      (m) => Object.assign(firstStep(m, 'layerNorm'), { out: null, quantized: null }),
      'plan',
      /expected out or quantized/,
    ],
    [
      'with an unknown activation',
      (m) => (firstStep(m, 'linearInt8').activation = 'swish'),
      'plan',
      /activation: expected none or gelu or tanh or relu or .*, got "swish"/,
    ],
    [
      'with rows that follow a text where there is none',
      (m) => (firstStep(m, 'layerNorm').rows = 'tokens'),
      'plan',
      /plan.tokens is null/,
    ],
    ['with an epsilon below 0', (m) => (firstStep(m, 'layerNorm').epsilon = -1), 'plan', /epsilon of at least 0/],
    [
      'with keys for some heads',
      (m) => (firstStep(m, 'attentionInt16').keyHeads = 2),
      'plan',
      /keyHeads to be heads or 1/,
    ],
    ['with a patch that does not divide', (m) => (firstStep(m, 'patchify').patch = 5), 'plan', /multiples of patch/],
    ['with a row past the end', (m) => (firstStep(m, 'selectRow').index = 99), 'plan', /index below rows/],
    ['naming no tensor', (m) => (firstStep(m, 'layerNorm').gamma = 'nothing'), 'name', /no tensor is named "nothing"/],
    ['naming a tensor of the prototype', (m) => (firstStep(m, 'layerNorm').gamma = '__proto__'), 'name', /__proto__/],
    [
      'naming a tensor of another dtype',
      (m) => (firstStep(m, 'layerNorm').gamma = 'patch.weight'),
      'dtype',
      /expected "patch.weight" as F32 \[36\], got I8 /,
    ],
    [
      'naming an int8 weight whose scales are of another size',
      (m) =>
        Object.assign(firstStep(m, 'linearInt8'), {
          weight: 'head.weight',
          outputs: 5,
          inputs: 36,
          bias: 'patch.bias',
        }),
      'shape',
      /"patch.bias" as F32 \[5\], got F32 \[36\]/,
    ],
    [
      'naming a tensor of another shape',
      (m) => (firstStep(m, 'layerNorm').gamma = 'head.bias'),
      'shape',
      /as F32 \[36\], got F32 \[5\]/,
    ],
    [
      'that reads a smaller weight than it has',
      (m) => (firstStep(m, 'linearInt8').outputs -= 4),
      'shape',
      /as I8 \[4,12,8,4\], got I8 \[5,12,8,4\]/,
    ],
    ['that needs too much memory', (m) => (m.plan.arenaBytes = 2 ** 40), 'memory', /the limit is 1073741824/],
    [
      'with an input past the arena',
      (m) => (m.plan.inputs[0].shape = [1, 3, 4096, 4096]),
      'plan',
      /plan\.inputs\[0\]: expected 201326592 bytes/,
    ],
    [
      'with another input',
      (m) => (m.plan.inputs[0].name = 'ids'),
      'plan',
      /\["pixels","F32",4\]\], got .*\["ids","F32",4\]/,
    ],
    [
      'with an input of another dtype',
      (m) => (m.plan.inputs[0].dtype = 'I32'),
      'plan',
      /\["pixels","F32",4\]\], got .*\["pixels","I32"/,
    ],
    [
      'with an input in two pieces',
      (m) =>
        (m.plan.inputs = [
          { ...m.plan.inputs[0], shape: [1] },
          { ...m.plan.inputs[0], name: '__proto__', dtype: 'I32' },
        ]),
      'plan',
      /tokens and inputs/,
    ],
    [
      'of pictures that follows tokens',
      (m) => (m.plan.tokens = 5),
      'plan',
      /tokens and inputs \[\[1,5\],null,.* got \[\[1,5\],5,/,
    ],
    [
      'of ten thousand calls that compute little and take long',
      (m) => {
        const step = firstStep(m, 'attentionInt16');
        const tiny = {
          ...step,
          q: 0,
          k: 2 ** 26,
          v: 2 ** 26 + 16,
          out: 2 ** 27,
          heads: 9_900_000,
          keyHeads: 1,
          keySize: 1,
          valueSize: 1,
          queries: 1,
          tokens: 1,
        };
        Object.assign(m.plan, { arenaBytes: 2 ** 28, steps: Array(10_000).fill(tiny) });
      },
      'work',
      /operations for an answer, the limit is 1000000000000/,
    ],
    ['with no input', (m) => (m.plan.inputs = []), 'plan', /inputs: expected a list of 1 to 8, got \[\]/],
    [
      'that computes for too long',
      (m) => {
        m.plan.arenaBytes = 2 ** 29;
        Object.assign(firstStep(m, 'attentionInt16'), {
          q: 0,
          k: 2 ** 27,
          v: 2 ** 28,
          out: 2 ** 27 + 2 ** 26,
          heads: 1,
          keyHeads: 1,
          keySize: 64,
          valueSize: 64,
          queries: 2 ** 18,
          tokens: 2 ** 15,
        });
      },
      'work',
      /the model needs \d+ operations for an answer, the limit is 1000000000000/,
    ],
    ['with another digest', (m) => (m.digest = `sha256:${'0'.repeat(64)}`), 'digest', /changed after packing/],
  ];

  it.each(cases)('%s', async (_, change, code, message) => {
    const error = await errorOf(await withManifest(change));
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
  });

  it('that is not JSON, holds a name twice or reaches a prototype', async () => {
    const codeOf = async (text: string) => (await errorOf(writeSafetensors(tensors, new Map([['slim', text]])))).code;
    expect(await codeOf('{')).toBe('manifest');
    expect(await codeOf('{"formatVersion":2,"formatVersion":2}')).toBe('name');
    expect(await codeOf('{"formatVersion":2,"configuration":{"__proto__":{}}}')).toBe('name');
  });
});

describe("a text's manifest is refused", async () => {
  const text = smallBert();
  const stored = storedTensors(text.logits, text.values);
  const packed = await pack(text.logits, quantizeTensors(stored, text.logits), textDescription);
  const { manifest } = await readArtifact(packed);
  const embedding = (m: Loose, table: string): Loose =>
    m.plan.steps.find((step: Loose) => step.table === table) as Loose;

  const cases: [name: string, change: (manifest: Loose) => void, code: ArtifactErrorCode, message: RegExp][] = [
    [
      'with more tokens than places',
      (m) => (embedding(m, 'embedding.position').entries = 10),
      'plan',
      /expected ids or an entry for each row/,
    ],
    [
      'with more words than its table has',
      (m) => (embedding(m, 'embedding.word').entries = 24),
      'shape',
      /"embedding.word" as I8 \[24,36\], got I8 \[23,36\]/,
    ],
    [
      'with rows that are written over what is added to them',
      (m) => {
        const step = embedding(m, 'embedding.word');
        step.residual = step.out;
      },
      'plan',
      /residual at \d+ overlaps plan.*\.out at \d+/,
    ],
    [
      'with ids past the arena',
      (m) => (embedding(m, 'embedding.word').ids = m.plan.arenaBytes),
      'plan',
      /ids: expected 44 bytes/,
    ],
    [
      'without ids',
      (m) => m.plan.inputs.shift(),
      'plan',
      /tokens and inputs \[\[1,5\],11,\["ids","I32",\[1,11\]\]\], got \[\[1,5\],11,\["types"/,
    ],
    ['with its inputs the other way round', (m) => m.plan.inputs.reverse(), 'plan', /tokens and inputs/],
    [
      'with an input that no text has',
      (m) => m.plan.inputs.push({ ...m.plan.inputs[0], name: 'mask' }),
      'plan',
      /tokens and inputs/,
    ],
  ];

  it.each(cases)('%s', async (_, change, code, message) => {
    const changed = structuredClone(manifest) as Loose;
    change(changed);
    const error = await errorOf(
      writeSafetensors(readSafetensors(packed).tensors, new Map([['slim', JSON.stringify(changed)]])),
    );
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
  });
});

it.each([NaN, Infinity, -1])('refuses a weight scale of %d', async (scale) => {
  const name = scaleName('patch.weight');
  const bad = new Map(tensors).set(name, f32Tensor(new Float32Array(36).fill(scale), [36]));
  const { digest: _, ...manifest } = (await readArtifact(valid)).manifest;
  const error = await errorOf(await writeArtifact(bad, manifest satisfies Omit<Manifest, 'digest'>));
  expect(error.code).toBe('value');
  expect(error.message).toMatch(/"patch\.weight\.scale"\[0\]: expected a finite scale/);
});

describe('an int4 artifact is refused', async () => {
  const int4 = await pack(logits, quantizeTensors(storedTensors(logits, values), logits, 'int4'), description);
  const { digest: _, ...manifest } = (await readArtifact(int4)).manifest;
  const whole = readSafetensors(int4).tensors;
  const name = 'patch.weight';
  const factors = factorName(name);
  const withFactor = (factor: number): Tensor => ({ ...whole.get(factors)!, data: new Uint8Array(72).fill(factor) });

  const cases: [
    what: string,
    change: (tensors: Map<string, Tensor>) => unknown,
    code: ArtifactErrorCode,
    message: RegExp,
  ][] = [
    ['without its factors', (t) => t.delete(factors), 'name', /no tensor is named "patch\.weight\.groups"/],
    ['without its scales', (t) => t.delete(scaleName(name)), 'name', /no tensor is named "patch\.weight\.scale"/],
    [
      'with factors of other groups',
      (t) => t.set(factors, { dtype: 'I8', shape: [72, 1], data: new Uint8Array(72) }),
      'shape',
      /"patch\.weight\.groups" as I8 \[36,2\], got I8 \[72,1\]/,
    ],
    [
      'with factors of another type',
      (t) => t.set(factors, { ...t.get(factors)!, dtype: 'U8' }),
      'dtype',
      /as I8 \[36,2\], got U8 \[36,2\]/,
    ],
    [
      'with weights of another shape',
      (t) => t.set(name, { ...t.get(name)!, shape: [32, 36] }),
      'shape',
      /"patch\.weight" as U8 \[36,32\], got U8 \[32,36\]/,
    ],
    [
      'with weights of another type',
      (t) => t.set(name, { ...t.get(name)!, dtype: 'BOOL' }),
      'dtype',
      /"patch\.weight" as I8 \[5,12,8,4\], got BOOL \[36,32\]/,
    ],
    [
      'with a factor of 16',
      (t) => t.set(factors, withFactor(16)),
      'value',
      /groups"\[0\]: expected a factor of ±15 at most, got 16/,
    ],
    [
      'with a factor of -128',
      (t) => t.set(factors, withFactor(128)),
      'value',
      /expected a factor of ±15 at most, got -128/,
    ],
  ];

  it.each(cases)('%s', async (_what, change, code, message) => {
    const changed = new Map(whole);
    change(changed);
    const error = await errorOf(await writeArtifact(changed, manifest));
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
  });

  it('that would take more memory than it may, unpacked', async () => {
    const { plan } = manifest;
    const { data, entries } = await readArtifact(int4);
    const { bytes } = memoryLayout(data.length, plan, entries);
    await readArtifact(int4, { ...DEFAULT_LIMITS, memoryBytes: bytes });
    await expect(readArtifact(int4, { ...DEFAULT_LIMITS, memoryBytes: bytes - 1 })).rejects.toThrow(
      `the model needs ${bytes} bytes, the limit is ${bytes - 1}`,
    );
    const ofInt8 = memoryLayout(data.length, plan, new Map()).bytes;
    expect(bytes).toBeGreaterThan(ofInt8 + 36 * 48);
  });
});

it('notices any flipped byte of the tensors', async () => {
  const { length } = valid;
  for (const at of [length - 1, length - 5000, length - 20_000]) {
    const flipped = valid.slice();
    flipped[at] ^= 1;
    expect((await errorOf(flipped)).code).toMatch(/digest|value/);
  }
});

it('refuses every truncation', async () => {
  for (let bytes = 0; bytes < valid.length; bytes += 997) await errorOf(valid.subarray(0, bytes));
});
