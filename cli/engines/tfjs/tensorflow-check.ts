/** Whether a TensorFlow computes here, found out in a process of its own, which a library that is damaged may end. */
import { fileURLToPath } from 'node:url';
import { builtAsset } from '../../io/assets.ts';
import { UserError } from '../../io/errors.ts';
import { throwIfInterrupted } from '../../io/io.ts';
import { runProgram } from '../../setup/program.ts';
import {
  BrokenTensorflow,
  findTensorflow,
  type LoadedTensorflow,
  TENSORFLOW_SETUP,
  type TensorflowVariant,
  TFJS_NODE,
} from './tensorflow.ts';
import { type ProbeReport, reportIn } from './tensorflow-report.ts';

/** A TensorFlow that has computed a product. */
export type TensorflowCheck = Omit<LoadedTensorflow, 'tf'>;

/** The product of the probe: (1 2 3; 4 5 6) · (7 8; 9 10; 11 12). */
const PRODUCT = [58, 64, 139, 154];

/** Loading takes seconds, from a slow disk tens of them. */
const LIMIT_MS = 60_000;

/**
 * Has a variant that is here multiply two matrices.
 * @throws BrokenTensorflow where it does not load or multiplies wrongly; UserError where that does not show, for it is
 * not here, ended its process or took longer than `limitMs`; Interrupted
 */
export async function checkTensorflow(
  variant: TensorflowVariant,
  signal: AbortSignal,
  limitMs = LIMIT_MS,
): Promise<TensorflowCheck> {
  const folder = findTensorflow(variant)?.folder;
  if (folder === undefined)
    throw new UserError(`${TFJS_NODE[variant]} is not here`, `${TENSORFLOW_SETUP[variant]} brings it.`);
  const remedy = `remove ${folder}, and run ${TENSORFLOW_SETUP[variant]}.`;
  const told = await probe(variant, signal, limitMs);
  if (typeof told === 'string')
    throw new UserError(`${folder} ${told}`, `TensorFlow needs a processor with AVX. Else ${remedy}`);
  if ('message' in told) {
    if (told.isBroken) throw new BrokenTensorflow(told.message, told.hint);
    throw new UserError(told.message, told.hint || `If it stays so, ${remedy}`);
  }
  const { product, description, usesGpu } = told;
  if (product.join() !== PRODUCT.join())
    throw new BrokenTensorflow(
      `${description} computes a product wrongly: expected ${PRODUCT.join(', ')}, got ${product.join(', ')}`,
      `${TENSORFLOW_SETUP[variant]} builds one that works here.`,
    );
  return { description, usesGpu };
}

/** What the probe reports, or how it ended without a report that counts. */
async function probe(
  variant: TensorflowVariant,
  signal: AbortSignal,
  limitMs: number,
): Promise<ProbeReport | `${string} the process that loads it${string}`> {
  const limit = AbortSignal.timeout(limitMs);
  let report: ProbeReport | null = null;
  const { code, stderr } = await runProgram(
    {
      file: process.execPath,
      args: [fileURLToPath(builtAsset('tensorflow-probe.mjs')), variant],
      env: process.env,
      onLine: (line) => {
        report ??= reportIn(line);
      },
    },
    AbortSignal.any([signal, limit]),
  );
  throwIfInterrupted(signal);
  if (code === 0 && report !== null) return report;
  const words = stderr.trim().split('\n').at(-1) || 'it says nothing';
  if (limit.aborted) return `holds up the process that loads it for ${limitMs / 1000} s: ${words}`;
  return `ends the process that loads it${code === null ? '' : ` with ${code}`}: ${words}`;
}
