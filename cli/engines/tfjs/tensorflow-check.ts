/** Whether a TensorFlow computes here, found out in a process of its own, which a library that is damaged may end. */
import { fileURLToPath } from 'node:url';
import { builtAsset } from '../../io/assets.ts';
import { UserError } from '../../io/errors.ts';
import { throwIfInterrupted } from '../../io/io.ts';
import { runProgram } from '../../setup/program.ts';
import { findTensorflow, type LoadedTensorflow, TENSORFLOW_SETUP, type TensorflowVariant } from './tensorflow.ts';

/** A TensorFlow that has computed a product. */
export type TensorflowCheck = Omit<LoadedTensorflow, 'tf'>;

/** What tensorflow-probe.mjs writes: what it has loaded and the product that it made, or what was in the way. */
export type ProbeReport =
  | (TensorflowCheck & { readonly product: readonly number[] })
  | { readonly message: string; readonly hint: string };

/** The product of the probe: (1 2 3; 4 5 6) · (7 8; 9 10; 11 12). */
const PRODUCT = [58, 64, 139, 154];

/**
 * Has a variant that is here multiply two matrices.
 * @throws UserError where it does not load or multiplies wrongly; Interrupted
 */
export async function checkTensorflow(variant: TensorflowVariant, signal: AbortSignal): Promise<TensorflowCheck> {
  let told = '';
  const { code, stderr } = await runProgram(
    {
      file: process.execPath,
      args: [fileURLToPath(builtAsset('tensorflow-probe.mjs')), variant],
      env: process.env,
      onLine: (line) => {
        told = line;
      },
    },
    signal,
  );
  throwIfInterrupted(signal);
  if (code !== 0)
    throw new UserError(
      `${findTensorflow(variant)?.folder} ends the process that loads it${code === null ? '' : ` with ${code}`}: ` +
        (stderr.trim().split('\n').at(-1) || 'it says nothing'),
      `TensorFlow needs a processor with AVX. Else remove the folder, and run ${TENSORFLOW_SETUP[variant]}.`,
    );
  const report = JSON.parse(told) as ProbeReport;
  if ('message' in report) throw new UserError(report.message, report.hint);
  const { product, description, usesGpu } = report;
  if (product.join() !== PRODUCT.join())
    throw new UserError(
      `${description} computes a product wrongly: expected ${PRODUCT.join(', ')}, got ${product.join(', ')}`,
      `Remove ${findTensorflow(variant)?.folder}, and run ${TENSORFLOW_SETUP[variant]}.`,
    );
  return { description, usesGpu };
}
