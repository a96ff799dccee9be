import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type Command, Option } from 'commander';
import { addBaseOption, addResultOptions, type BaseFlags, createCommand, required, resolveFlags } from '../args.ts';
import { saveDense } from '../export/hugging-face.ts';
import { ONNX_WEIGHTS, type OnnxWeights, onnxBytes } from '../export/onnx.ts';
import { expectFree } from '../export/place.ts';
import { UserError, usageError } from '../io/errors.ts';
import { kindOf, writeFileAtomic } from '../io/files.ts';
import { type Io, throwIfInterrupted } from '../io/io.ts';
import { createProgress } from '../io/progress.ts';
import { replaceFolder } from '../io/replace-folder.ts';
import { counted } from '../io/words.ts';
import { saveDescription } from '../pretrained/checkpoint.ts';
import { expectApart } from '../train/run-directory.ts';
import { loadTrainedModel, type TrainedModel } from '../train/trained-model.ts';
import { formatBytes, printResult } from './result.ts';

const FORMATS = ['onnx', 'safetensors'] as const;
type Format = (typeof FORMATS)[number];

interface ExportFlags extends BaseFlags {
  readonly to?: Format;
  readonly out?: string;
  readonly weights?: OnnxWeights;
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
    'a run for other programs: ONNX, Hugging Face',
    `Writes a run in a format that other programs read.`,
    [
      'slim export runs/small --to onnx --out small.onnx',
      'slim export runs/int8 --to onnx --out small-onnx/',
      'slim export runs/small --to safetensors --out small-hf/',
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
  const isFile = to === 'onnx' && out.endsWith('.onnx');
  if (flags.weights && to !== 'onnx') throw usageError(`--weights is for --to onnx`, 'Leave it out.');
  await expectApart(out, path);
  await expectFree(out, isFile, flags.overwrite);
  await expectFolder(path);
  const trained = await loadTrainedModel(path, { base: flags.base });
  const progress = createProgress(io.stderr, 'export');
  progress.line(`writing ${out}`);
  if (isFile) await writeFileAtomic(out, onnxBytes(trained, { weights: weightsOf(trained, flags), alone: true }));
  else
    await replaceFolder(out, async (folder) => {
      await fill(folder, trained, path, to, flags);
      throwIfInterrupted(io.signal);
    });
  const files = isFile ? [out] : (await readdir(out)).sort().map((name) => join(out, name));
  const written = await Promise.all(
    files.map(async (file) => ({ name: basename(file), bytes: (await stat(file)).size })),
  );
  return { out, to, files: written, bytes: written.reduce((sum, { bytes }) => sum + bytes, 0) };
}

async function fill(
  folder: string,
  trained: TrainedModel,
  path: string,
  to: Format,
  flags: ExportFlags,
): Promise<void> {
  switch (to) {
    case 'onnx':
      await writeFileAtomic(
        join(folder, 'model.onnx'),
        onnxBytes(trained, { weights: weightsOf(trained, flags), alone: false }),
      );
      return saveDescription(folder, trained);
    case 'safetensors':
      return saveDense(folder, trained, path);
    default:
      return to satisfies never;
  }
}

function weightsOf({ precision }: TrainedModel, { weights }: ExportFlags): OnnxWeights {
  return weights ?? (precision === 'f32' ? 'f32' : 'int8');
}

/** A plan for one runtime is no model any more. */
async function expectFolder(path: string): Promise<void> {
  if ((await kindOf(path)) !== 'file') return;
  throw new UserError(
    `${path} is a file: a .slim holds the steps of its own runtime, of which no model can be made again`,
    'Give the run that it was packed from.',
  );
}
