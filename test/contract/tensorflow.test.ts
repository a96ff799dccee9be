/**
 * tfjs on TensorFlow: the engines' suite and the PC-LoRA step against PyTorch once more, in a process that has no other
 * tfjs.
 */
import { fileURLToPath } from 'node:url';
import { expect, it, vi } from 'vitest';
import { reportIn } from '../../cli/engines/tfjs/tensorflow-report.ts';
import { builtAsset } from '../../cli/io/assets.ts';
import { startCommand } from '../support/process.ts';
import { NOT_INSTALLED, programs, skipNote, tensorflowCache } from './hosts/installed.ts';

vi.mock('../support/engines.ts', async (importActual) => {
  const actual = await importActual<typeof import('../support/engines.ts')>();
  const [onnx] = actual.TEST_ENGINES;
  return { ...actual, TEST_ENGINES: [onnx, actual.tensorflowEngine] };
});

const { tensorflowEngine } = await import('../support/engines.ts');
const { absent } = tensorflowEngine;

it.skipIf(absent !== null)(`tfjs computes on TensorFlow${skipNote(absent)}`, async () => {
  expect((await tensorflowEngine.create()).description).toBe('tfjs 4.22.0 (TensorFlow 2.21.0, cpu)');
});

/** What TensorFlow writes of itself where the processor has what oneDNN is for (AVX-512, VNNI), at any log level. */
const ONEDNN_NOTE =
  /^WARNING: All log messages before absl::InitializeLog\(\) .*\nI0000 .* oneDNN custom operations are on\..*\n/;

for (const [name, node] of Object.entries({ 'Node 22': programs.node22, 'Node 24': programs.node24 })) {
  const missing = absent ?? (node === null ? NOT_INSTALLED : null);
  it.skipIf(missing !== null)(
    `it does in ${name}, which lacks what tfjs-node takes of it${skipNote(missing)}`,
    async () => {
      const probe = fileURLToPath(builtAsset('tensorflow-probe.mjs'));
      const env = { ...process.env, SLIM_CACHE: tensorflowCache! };
      const { code, stdout, stderr } = await startCommand(node!, [probe, 'cpu'], { env }).exit;
      const written = stderr.replace(ONEDNN_NOTE, '');
      expect([code, stdout.split('\n').map(reportIn).filter(Boolean), written]).toEqual([
        0,
        [{ description: 'tfjs 4.22.0 (TensorFlow 2.21.0, cpu)', usesGpu: false, product: [58, 64, 139, 154] }],
        '',
      ]);
    },
  );
}

await import('./engines.test.ts');
await import('../golden/pclora-step.test.ts');
