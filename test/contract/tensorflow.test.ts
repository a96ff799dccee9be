/**
 * tfjs on TensorFlow: the engines' suite and the PC-LoRA step against PyTorch once more, in a process that has no other
 * tfjs.
 */
import { expect, it, vi } from 'vitest';
import { skipNote } from './hosts/installed.ts';

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

await import('./engines.test.ts');
await import('../golden/pclora-step.test.ts');
