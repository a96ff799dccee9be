import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type Command, Option } from 'commander';
import { addBaseOption, addResultOptions, type BaseFlags, createCommand, required, resolveFlags } from '../args.ts';
import { saveFactors } from '../export/factors.ts';
import { saveDense } from '../export/hugging-face.ts';
import { ONNX_WEIGHTS, type OnnxWeights } from '../export/onnx-weights.ts';
import { saveAdapter } from '../export/peft.ts';
import { expectFree, saveExportRecord } from '../export/place.ts';
import { UserError, usageError } from '../io/errors.ts';
import { kindOf, writeFileAtomic } from '../io/files.ts';
import { type Io, throwIfInterrupted } from '../io/io.ts';
import { createProgress } from '../io/progress.ts';
import { replaceFolder } from '../io/replace-folder.ts';
import { formatBytes } from '../io/units.ts';
import { counted } from '../io/words.ts';
import { saveDescription } from '../pretrained/checkpoint.ts';
import { expectApart } from '../train/run-directory.ts';
import { loadTrainedModel, type TrainedModel } from '../train/trained-model.ts';
import { printResult } from './result.ts';

const FORMATS = ['onnx', 'safetensors', 'peft'] as const;
type Format = (typeof FORMATS)[number];
const LAYOUTS = ['dense', 'factors'] as const;

interface ExportFlags extends BaseFlags {
  readonly to?: Format;
  readonly out?: string;
  readonly weights?: OnnxWeights;
  readonly layout?: (typeof LAYOUTS)[number];
  readonly overwrite: boolean;
  readonly json: boolean;
}

/** What was written: files by their names within `out`, or its own where it is one. */
interface ExportResult {
  readonly out: string;
  readonly to: Format;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  readonly bytes: number;
}

/** `slim export` */
export function exportCommand(io: Io): Command {
  const command = createCommand(
    'export',
    'a run for other programs: ONNX, Hugging Face, PEFT',
    `Writes a run in a format that other programs read.

onnx: a model of any number of samples and tokens, weights inside, in operators of
ONNX's own set 17. Inputs pixel_values, or input_ids, attention_mask and
token_type_ids (padding behind the text); output logits. With int8 the file is a
quarter: weights have a scale for each output and are f32 when they are computed
with, so answers are those of f32 with these weights, and no faster. Into a folder
come what prepares the inputs and config.json, too, as optimum has them; into one
file, as its metadata.

safetensors: a Hugging Face folder that transformers loads. Low-rank layers are
multiplied out to dense ones; with --layout factors they stay two thin ones, and
load.py there loads them.

peft: the adapter of a run of slim train --method lora, for the model that it was
trained from, which --base names where it has moved. What PC-LoRA leaves is no
adapter: nothing is added to its base.`,
    [
      'slim export runs/small --to onnx --out small-onnx/',
      'slim export runs/int8 --to onnx --out small.onnx',
      'slim export runs/small --to safetensors --out small-hf/',
      'slim export runs/small --to safetensors --layout factors --out small-factors/',
      'slim export runs/lora --to peft --out adapter/',
    ],
  )
    .argument('<run>', 'a run, or a Hugging Face folder')
    .addOption(new Option('--to <format>', 'what to write').choices(FORMATS))
    .option('--out <path>', 'a folder; of onnx also a file, NAME.onnx')
    .addOption(
      new Option('--weights <type>', 'of onnx: what weights are stored in')
        .choices(ONNX_WEIGHTS)
        .default(undefined, 'int8 of a quantized run, else f32'),
    )
    .addOption(
      new Option('--layout <name>', 'of safetensors: what low-rank layers become')
        .choices(LAYOUTS)
        .default(undefined, 'dense'),
    )
    .option('--overwrite', 'replace what an export wrote there');
  addBaseOption(command);
  addResultOptions(command);
  return command.action(async (path: string) => {
    const flags = await resolveFlags<ExportFlags>(command);
    const result = await runExport(path, flags, io);
    printResult(
      io,
      flags.json,
      { ...result },
      `exported: ${result.out}, ${counted(result.files.length, 'file')}, ${formatBytes(result.bytes)}`,
    );
  });
}

async function runExport(path: string, flags: ExportFlags, io: Io): Promise<ExportResult> {
  const to = required(flags.to, '--to') as Format;
  const out = required(flags.out, '--out');
  expectFitting(to, out, flags);
  const isFile = to === 'onnx' && out.endsWith('.onnx');
  await expectApart(out, path);
  await expectFree(out, isFile, flags.overwrite);
  await expectNoArtifact(path);
  const trained = await loadTrainedModel(path, to === 'peft' ? {} : { base: flags.base });
  const base = flags.base ?? trained.record?.configuration.model;
  if (to === 'peft' && typeof base === 'string') await expectApart(out, base);
  const progress = createProgress(io.stderr, 'export');
  for (const notice of noticesOf(trained)) progress.line(`note: ${notice}`);
  throwIfInterrupted(io.signal);
  progress.line(`writing ${out}`);
  if (isFile) await writeFileAtomic(out, await onnxOf(trained, flags, true));
  else
    await replaceFolder(out, async (folder) => {
      await fill(folder, to, trained, path, flags);
      await saveExportRecord(folder, to);
      throwIfInterrupted(io.signal);
    });
  const files = isFile ? [out] : (await readdir(out)).sort().map((name) => join(out, name));
  const written = await Promise.all(
    files.map(async (file) => ({ name: basename(file), bytes: (await stat(file)).size })),
  );
  return { out, to, files: written, bytes: written.reduce((sum, { bytes }) => sum + bytes, 0) };
}

function expectFitting(to: Format, out: string, { weights, layout }: ExportFlags): void {
  if (weights && to !== 'onnx') throw usageError(`--weights is for --to onnx, not ${to}`, 'Leave it out.');
  if (layout && to !== 'safetensors') throw usageError(`--layout is for --to safetensors, not ${to}`, 'Leave it out.');
  if (to !== 'onnx' && /\.(safetensors|onnx)$/.test(out))
    throw usageError(`--out ${out}: --to ${to} writes a folder`, 'Give the name of a folder.');
}

async function fill(
  folder: string,
  to: Format,
  trained: TrainedModel,
  path: string,
  flags: ExportFlags,
): Promise<void> {
  switch (to) {
    case 'onnx': {
      await writeFileAtomic(join(folder, 'model.onnx'), await onnxOf(trained, flags, false));
      return saveDescription(folder, trained);
    }
    case 'safetensors':
      return (flags.layout === 'factors' ? saveFactors : saveDense)(folder, trained, path);
    case 'peft':
      return saveAdapter(folder, trained, path, flags.base);
    default:
      return to satisfies never;
  }
}

async function onnxOf(trained: TrainedModel, flags: ExportFlags, alone: boolean): Promise<Uint8Array> {
  const { onnxBytes } = await import('../export/onnx.ts'); // brings protobuf along
  return onnxBytes(trained, { weights: weightsOf(trained, flags), alone });
}

function weightsOf({ precision }: TrainedModel, { weights }: ExportFlags): OnnxWeights {
  return weights ?? (precision === 'f32' ? 'f32' : 'int8');
}

/** What the files can't tell as Slim does it. */
function noticesOf({ preprocessing }: TrainedModel): string[] {
  if (preprocessing.kind !== 'image' || preprocessing.image.resize.mode !== 'shortest-edge-rounded') return [];
  return [
    'transformers rounds the place of a centre crop otherwise than this model had it in training: ' +
      'in half of the pictures it is a pixel to the side, where its preprocessor_config.json prepares them',
  ];
}

/** The steps of one runtime are no model any more. */
async function expectNoArtifact(path: string): Promise<void> {
  if ((await kindOf(path)) !== 'file') return;
  throw new UserError(
    `${path} is a file, expected a run: a .slim holds the steps of Slim's own runtime, of which no model can be made again`,
    'Give the run that it was packed from; slim inspect tells what a file was made of.',
  );
}
