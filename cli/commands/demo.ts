import { join } from 'node:path';
import type { Command } from 'commander';
import type { Cost } from '../../runtime/artifact/manifest.ts';
import { elementCount } from '../../runtime/artifact/safetensors.ts';
import { createEngine as createRuntime } from '../../runtime/engine/engine.ts';
import { addResultOptions, createCommand, resolveFlags } from '../args.ts';
import { summarize } from '../bench/summary.ts';
import { openPictures, type Split } from '../data/dataset.ts';
import { createEngine } from '../engines/create.ts';
import { bytes } from '../engines/engine.ts';
import { openArtifact } from '../io/artifact.ts';
import { builtKernels } from '../io/assets.ts';
import { Interrupted, UserError } from '../io/errors.ts';
import type { Io } from '../io/io.ts';
import { formatDuration } from '../io/progress.ts';
import { formatBytes, formatMacs, grouped, percent } from '../io/units.ts';
import { uploadBatch } from '../train/batch-inputs.ts';
import { compileForward } from '../train/evaluate.ts';
import { type RunRecord, readRunRecord } from '../train/run-directory.ts';
import { floatTensors, loadTrainedModel, partsOf, weightSpecs } from '../train/trained-model.ts';
import { uploadTensors } from '../train/trained-tensors.ts';
import { runFinetune } from './finetune.ts';
import { runPack } from './pack.ts';
import { runQuantize } from './quantize.ts';
import { printResult, table } from './result.ts';
import { startServer } from './serve.ts';
import { runTrain } from './train.ts';

interface DemoFlags {
  readonly out: string;
  readonly seed: number;
  readonly json: boolean;
}

const PICTURES = 5;
const TIMED_CALLS = 50;

/** How a shell starts this slim: from the package that it was installed as, or from its repository. */
const COMMAND = import.meta.url.includes('/node_modules/') ? 'npx slim' : 'npm run slim --';

/** `slim demo`: the other commands one after the other, as their `run...` functions. */
export function demoCommand(io: Io): Command {
  const command = createCommand(
    'demo',
    'the whole way on drawn pictures: no data, no download, a few minutes',
    `Draws glyphs, trains a small ViT on them, compresses it with PC-LoRA, quantizes, packs demo.slim, serves it and
classifies pictures over HTTP.`,
    ['slim demo', 'slim demo --out runs/tour --json'],
  ).option(
    '--out <dir>',
    'folder of the runs and demo.slim; replaced if it holds an earlier demo',
    join('runs', 'demo'),
  );
  addResultOptions(command);
  return command.action(async () => {
    const flags = await resolveFlags<DemoFlags>(command);
    const started = performance.now();
    const { stages, requests, file } = await runDemo(flags, io).catch((error: unknown) => {
      // The runs could be resumed, but the demo has no flag for it.
      throw error instanceof Interrupted ? new Interrupted('interrupted') : error;
    });
    const header = ['', 'accuracy', 'parameters', 'MACs', 'bytes', 'latency'];
    const rows = stages.map(({ name, accuracy, parameters, macs, bytes, latencyMs }) => [
      name,
      percent(accuracy),
      grouped(parameters),
      formatMacs(macs),
      formatBytes(bytes),
      `${latencyMs.toFixed(2)} ms`,
    ]);
    const asked = requests.map(
      ({ expected, predicted, score }) => `  ${expected.padEnd(12)} ${predicted.padEnd(12)} ${percent(score, 1)}`,
    );
    const text = [
      '',
      'POST /v1/predict:',
      '  drawn        predicted    score',
      ...asked,
      '',
      table([header, ...rows]),
      '',
      'latency: median of one picture on one thread; teacher and PC-LoRA on onnxruntime, ' +
        'int8 on the WebAssembly runtime that serves it',
      `${file}, ready to serve: ${COMMAND} serve ${file}   ` +
        `(${formatDuration(performance.now() - started)} in all)`,
    ];
    printResult(io, flags.json, { stages, requests, file }, text.join('\n'));
  });
}

interface Stage {
  readonly name: string;
  readonly accuracy: number;
  /** What ships, and the MACs of one picture. */
  readonly parameters: number;
  readonly macs: number;
  /** Of the packed file. */
  readonly bytes: number;
  readonly latencyMs: number;
}

interface DemoResult {
  readonly stages: readonly Stage[];
  readonly requests: readonly { readonly expected: string; readonly predicted: string; readonly score: number }[];
  readonly file: string;
}

async function runDemo({ out, seed }: DemoFlags, io: Io): Promise<DemoResult> {
  const common = {
    data: 'glyphs',
    seed,
    overwrite: true,
    resume: false,
    json: false,
    offline: true,
    skipBad: false,
    validationFraction: 0.2,
    splitSeed: 0,
    engine: 'onnx',
    device: 'auto',
    select: 'last',
  } as const;
  const training = {
    ...common,
    weightDecay: 0,
    clipNorm: 1,
    learningRateFloor: 0,
    learningRateSchedule: 'cosine',
    augment: 'shift:3',
  } as const;
  const runs = { teacher: join(out, 'teacher'), student: join(out, 'student'), int8: join(out, 'int8') };

  io.stderr.write('1/5 teacher\n');
  await runFinetune(
    { ...training, cased: false, model: 'vit-pico', out: runs.teacher, epochs: 24, batchSize: 64, learningRate: 2e-3 },
    io,
  );
  io.stderr.write('2/5 PC-LoRA\n');
  await runTrain(
    {
      ...training,
      model: runs.teacher,
      out: runs.student,
      epochs: 16,
      batchSize: 64,
      learningRate: 2e-3,
      rank: 8,
      rankAllocation: 'uniform',
      forceRank: false,
      fuseQkv: false,
      pruneVocabulary: false,
      biasCorrection: false,
      init: 'svd',
      schedule: 'sine',
      decayStart: 0,
      decayEnd: 0.4,
      alpha: 0.2,
      logitLoss: 0,
      temperature: 4,
      freeze: [],
    },
    io,
  );
  io.stderr.write('3/5 int8\n');
  await runQuantize(runs.student, { ...common, weights: 'int8', out: runs.int8 }, io);
  io.stderr.write('4/5 pack\n');
  const file = join(out, 'demo.slim');
  const packed = {
    teacher: await runPack(runs.teacher, { out: join(out, 'teacher.slim'), overwrite: true, json: false }),
    student: await runPack(runs.student, { out: join(out, 'student.slim'), overwrite: true, json: false }),
    int8: await runPack(runs.int8, { out: file, overwrite: true, json: false }),
  };
  io.stderr.write('5/5 serve\n');
  const { test, labels } = await openPictures('glyphs', { seed: common.splitSeed });
  const requests = await askServer(file, test, labels, io);

  const record = await recordOf(runs.int8);
  const accuracy = (stage: string): number => record.accuracy.find((entry) => entry.stage === stage)?.accuracy ?? NaN;
  const stage = (name: string, key: string, cost: Cost, bytes: number, latencyMs: number): Stage => ({
    name,
    accuracy: accuracy(key),
    ...cost.whole,
    bytes,
    latencyMs,
  });
  const { teacher, model } = record.costs;
  return {
    stages: [
      stage('teacher', 'teacher', teacher!, packed.teacher.bytes, await onnxLatency(runs.teacher, io)),
      stage('PC-LoRA', 'pc-lora', model, packed.student.bytes, await onnxLatency(runs.student, io)),
      stage('int8', 'int8', model, packed.int8.bytes, await runtimeLatency(file)),
    ],
    requests,
    file,
  };
}

async function recordOf(folder: string): Promise<RunRecord> {
  const record = await readRunRecord(folder);
  if (!record) throw new UserError(`${folder} is not a run`);
  return record;
}

/** Classifies pictures of the test data through a real server on a free port. */
async function askServer(
  file: string,
  split: Split,
  labels: readonly string[],
  io: Io,
): Promise<DemoResult['requests']> {
  const { default: sharp } = await import('sharp');
  const server = await startServer(
    file,
    { port: 0, host: '127.0.0.1', maxBodyBytes: 1 << 20, workers: 1, deadline: 30, log: 'none', trustProxy: false },
    io,
  );
  try {
    const answers = [];
    for (let i = 0; i < PICTURES; i++) {
      const { width, height, data } = await split.picture(i);
      const png = await sharp(Buffer.from(data), { raw: { width, height, channels: 3 } })
        .png()
        .toBuffer();
      const response = await fetch(`${server.url}/v1/predict`, {
        method: 'POST',
        headers: { 'content-type': 'image/png' },
        body: new Uint8Array(png),
      });
      if (!response.ok) throw new UserError(`the server answered ${response.status}: ${await response.text()}`);
      const { predictions } = (await response.json()) as { predictions: { label: string; score: number }[] };
      answers.push({
        expected: labels[split.label(i) as number],
        predicted: predictions[0].label,
        score: predictions[0].score,
      });
    }
    return answers;
  } finally {
    await server.close();
  }
}

async function onnxLatency(folder: string, io: Io): Promise<number> {
  const trained = await loadTrainedModel(folder);
  const engine = await createEngine({ engine: 'onnx', device: 'cpu', threads: 1 }, io);
  const forward = compileForward(engine, trained, partsOf(trained), 1);
  const program = await forward.at(null);
  const tensors = uploadTensors(engine, weightSpecs(trained.model, trained.compression), floatTensors(trained.stored));
  const [B, C, H, W] = trained.model.batchInputs(1).pixels.shape;
  const batch = uploadBatch(engine, { pictures: bytes(new Uint8Array(B * H * W * C), [B, H, W, C]) });
  const latency = await medianLatency(async () => {
    const { logits } = await program.run({ ...tensors, ...batch });
    await logits.read();
  });
  await forward.dispose();
  return latency;
}

async function runtimeLatency(file: string): Promise<number> {
  const runtime = createRuntime(await openArtifact(file), await builtKernels());
  const pixels = new Float32Array(elementCount(runtime.inputs[0].shape));
  return medianLatency(async () => runtime.infer({ pixels }));
}

async function medianLatency(call: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < TIMED_CALLS; i++) {
    const started = performance.now();
    await call();
    times.push(performance.now() - started);
  }
  return summarize(times).medianMs;
}
