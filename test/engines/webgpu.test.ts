/** What is webgpu's own: which of programs, runs and tensors may go first. The contract suite holds what all engines do. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DeviceTensor, type Engine, floats, type Program } from '../../cli/engines/engine.ts';
import { add } from '../../cli/graph/ops/binary.ts';
import { input } from '../../cli/graph/ops/leaf.ts';
import { skipNote } from '../contract/hosts/installed.ts';
import { createTestWebgpuEngine, withoutWebgpu } from '../support/webgpu.ts';

/** More than goes along with a run, so that it is moved to the device. */
const SIZE = 2000;
const values = (value: number): Float32Array => new Float32Array(SIZE).fill(value);

describe.skipIf(withoutWebgpu !== null)(`webgpu${skipNote(withoutWebgpu)}`, () => {
  let engine: Engine;
  let three: DeviceTensor;
  beforeAll(async () => {
    engine = await createTestWebgpuEngine();
    three = engine.upload(floats(values(3), [SIZE]));
  });
  afterAll(() => engine.dispose());

  const compileSum = (): Promise<Program> =>
    engine.compile({ outputs: { sum: add(input('x', [SIZE]), input('y', [SIZE])) } });

  it('keeps what a program gave when the program is disposed of', async () => {
    const [first, second] = [await compileSum(), await compileSum()];
    const { sum: six } = await first.run({ x: three, y: three });
    await first.dispose();
    const { sum: twelve } = await second.run({ x: six, y: six });
    six.dispose();
    await second.dispose();
    expect(await twelve.read()).toEqual(values(12));
    twelve.dispose();
  });

  it('ends a run whose program and inputs are disposed of meanwhile', async () => {
    const program = await compileSum();
    const four = engine.upload(floats(values(4), [SIZE]));
    const running = program.run({ x: three, y: four });
    four.dispose();
    await program.dispose();
    const { sum } = await running;
    const reading = sum.read();
    sum.dispose();
    expect(await reading).toEqual(values(7));
  });

  it('takes the same tensor twice, and disposing twice for once', async () => {
    const program = await compileSum();
    const one = engine.upload(floats(values(1), [SIZE]));
    const { sum } = await program.run({ x: one, y: one });
    for (const tensor of [one, sum]) {
      tensor.dispose();
      tensor.dispose();
    }
    await program.dispose();
    await program.dispose();
    const again = await compileSum();
    const { sum: six } = await again.run({ x: three, y: three });
    expect(await six.read()).toEqual(values(6));
    six.dispose();
    await again.dispose();
  });
});
