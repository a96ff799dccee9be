/**
 * What a teacher says of samples, kept in a file (--cache-teacher): it is the same in every epoch, and in every run on the
 * same samples.
 */
import { createHash, type Hash } from 'node:crypto';
import { join } from 'node:path';
import { type Batch, type Samples, textLength } from '../data/samples.ts';
import { type DeviceTensor, type Engine, floats, type HostTensor, type Inputs } from '../engines/engine.ts';
import { gigabytes } from '../io/disk.ts';
import { kindOf } from '../io/files.ts';
import { throwIfInterrupted } from '../io/io.ts';
import { tensorsOf } from '../models/layers.ts';
import { denseParts } from '../pclora/linear.ts';
import type { Checkpoint } from '../pretrained/checkpoint.ts';
import { batchedInputs, batchInputs, normalizationOf, uploadBatch } from './batch-inputs.ts';
import { evaluationBatch } from './evaluate.ts';
import { createPrograms } from './programs.ts';
import {
  type Layout,
  layoutOf,
  type OutputShape,
  openRecords,
  type TeacherRecord,
  type TeacherRecords,
  VERSION,
  writeRecords,
} from './teacher-file.ts';
import { TEACHER_LOGITS, teacherBlock } from './teacher-outputs.ts';

/** Where the file goes, and who is told while it is made. */
export interface TeacherCacheOptions {
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly onSamples: (done: number, total: number) => void;
}

/** Samples whose batches hold what the teacher says of them. */
export interface TaughtSamples {
  readonly samples: Samples;
  /** What was made, in a sentence for the user; null where it was there. */
  readonly notice: string | null;
  close(): Promise<void>;
}

/**
 * The samples with the inputs of `givenTeacher`, out of the file in `folder`, which is made first where there is none.
 * Nothing may change a sample from epoch to epoch.
 * @param tokens how many tokens the step's graph has for batches padded to a length; of pictures, which have null
 * UserError where the disk has no room, or the file is damaged. @throws Interrupted
 */
export async function teacherCache(
  engine: Engine,
  teacher: Checkpoint,
  weights: Inputs,
  samples: Samples,
  tokens: (length: number | null) => number,
  options: TeacherCacheOptions,
): Promise<TaughtSamples> {
  const shape = outputShape(teacher);
  const survey = await surveySamples(engine, teacher, samples, options);
  const layout = layoutOf(survey.lengths, shape);
  const key = keyOf(engine, teacher, survey.digest);
  const path = join(options.folder, `${key.toString('hex').slice(0, 32)}.teacher`);
  const isThere = (await kindOf(path)) !== 'absent';
  if (!isThere) await writeRecords(path, key, layout, recordsOf(engine, teacher, weights, samples, layout, options));
  const records = await openRecords(path, key, layout);
  return {
    samples: {
      ...samples,
      batches: (pass) =>
        ahead(samples.batches(pass), (batch) => taught(batch, pass.batchSize, records, layout, tokens)),
    },
    notice: isThere ? null : `${path} keeps what the teacher says of the samples, in ${gigabytes(layout.end)}.`,
    close: () => records.close(),
  };
}

function outputShape({ model, preprocessing }: Checkpoint): OutputShape {
  const inputs = batchInputs(model, 1, normalizationOf(preprocessing), { padded: true });
  const { blocks, logits } = model.forward(inputs, 1, denseParts(tensorsOf(model.layers)));
  return { blocks: blocks.length, width: blocks[0].shape[1], outputs: logits.shape[1] };
}

/** One look at all samples: how many tokens each has, and a digest of what the model is given of them. */
async function surveySamples(
  engine: Engine,
  { model }: Checkpoint,
  samples: Samples,
  { signal }: TeacherCacheOptions,
): Promise<{ readonly lengths: Int32Array; readonly digest: string }> {
  const lengths = new Int32Array(samples.size);
  const hash = createHash('sha256');
  for await (const batch of samples.batches({ batchSize: evaluationBatch(engine), seed: 0 })) {
    throwIfInterrupted(signal);
    batch.rows.forEach((row, i) => {
      const { inputs, tokens } = batch;
      lengths[row] = tokens === null ? model.tokens : textLength(inputs.mask.data as Float32Array, i, tokens);
    });
    hash.update(Int32Array.from(batch.rows));
    addInputs(hash, batch);
  }
  return { lengths, digest: hash.digest('hex') };
}

function addInputs(hash: Hash, { inputs }: Batch): void {
  for (const [name, { data, shape }] of Object.entries(inputs))
    hash.update(`${name} ${shape.join()}\n`).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function keyOf({ precision }: Engine, { model, tensors, preprocessing }: Checkpoint, samples: string): Buffer {
  const hash = createHash('sha256');
  const image = normalizationOf(preprocessing) ?? null;
  hash.update(JSON.stringify({ version: VERSION, architecture: model.architecture, precision, image, samples }));
  for (const { name } of tensorsOf(model.layers)) hash.update(name).update(tensors.get(name)!);
  return hash.digest();
}

/** Every sample's record. */
async function* recordsOf(
  engine: Engine,
  { model, preprocessing }: Checkpoint,
  weights: Inputs,
  samples: Samples,
  layout: Layout,
  { signal, onSamples }: TeacherCacheOptions,
): AsyncGenerator<TeacherRecord> {
  const batchSize = evaluationBatch(engine);
  let done = 0;
  const programs = createPrograms((length) => {
    const inputs = batchInputs(model, batchSize, normalizationOf(preprocessing), {
      padded: true,
      tokens: length ?? undefined,
    });
    const { logits, blocks } = model.forward(inputs, batchSize, denseParts(tensorsOf(model.layers)));
    const named = Object.fromEntries(blocks.map((block, i) => [teacherBlock(i), block]));
    return engine.compile(
      { outputs: { [TEACHER_LOGITS]: logits, ...named } },
      { takesTurns: length !== null, batched: batchedInputs(model) },
    );
  });
  try {
    for await (const batch of samples.batches({ batchSize, seed: 0 })) {
      throwIfInterrupted(signal);
      const uploaded = uploadBatch(engine, batch.inputs);
      const outputs = await (await programs.at(batch.tokens)).run({ ...weights, ...uploaded });
      const logits = await valuesOf(outputs[TEACHER_LOGITS]);
      const blocks = await Promise.all(
        Array.from({ length: layout.blocks }, (_, i) => valuesOf(outputs[teacherBlock(i)])),
      );
      const padded = blocks[0].length / layout.width / batchSize;
      for (const [i, row] of batch.rows.entries()) {
        const record = new Float32Array((layout.offsets[row + 1] - layout.offsets[row]) / 4);
        const values = layout.lengths[row] * layout.width;
        const from = i * padded * layout.width;
        blocks.forEach((block, at) => record.set(block.subarray(from, from + values), at * values));
        record.set(logits.subarray(i * layout.outputs, (i + 1) * layout.outputs), layout.blocks * values);
        yield { row, values: record };
      }
      for (const tensor of [...Object.values(uploaded), ...Object.values(outputs)]) tensor.dispose();
      onSamples((done += batch.size), samples.size);
    }
  } finally {
    await programs.dispose();
  }
}

async function valuesOf(tensor: DeviceTensor): Promise<Float32Array> {
  return (await tensor.read()) as Float32Array;
}

/** The batch with what the teacher says of it; rows of padding are zeros. */
async function taught(
  batch: Batch,
  batchSize: number,
  records: TeacherRecords,
  layout: Layout,
  tokens: (length: number | null) => number,
): Promise<Batch> {
  const { blocks, width, outputs, lengths } = layout;
  const padded = tokens(batch.tokens);
  const logits = new Float32Array(batchSize * outputs);
  const features = Array.from({ length: blocks }, () => new Float32Array(batchSize * padded * width));
  await Promise.all(
    batch.rows.map(async (row, i) => {
      const record = await records.read(row);
      const values = lengths[row] * width;
      features.forEach((feature, at) =>
        feature.set(record.subarray(at * values, (at + 1) * values), i * padded * width),
      );
      logits.set(record.subarray(blocks * values), i * outputs);
    }),
  );
  const kept: Record<string, HostTensor> = { [TEACHER_LOGITS]: floats(logits, [batchSize, outputs]) };
  features.forEach((feature, at) => {
    kept[teacherBlock(at)] = floats(feature, [batchSize, padded, width]);
  });
  return { ...batch, inputs: { ...batch.inputs, ...kept } };
}

/** Each item worked on while the one before it is used. */
async function* ahead<T, R>(items: AsyncGenerator<T>, work: (item: T) => Promise<R>): AsyncGenerator<R, void, void> {
  let before: Promise<R> | null = null;
  for await (const item of items) {
    const working = work(item);
    working.catch(() => undefined); // whoever comes to it hears of its failure
    if (before !== null) yield await before;
    before = working;
  }
  if (before !== null) yield await before;
}
