/**
 * What a teacher's layers see and say on training samples, for adapters that start from it (`--init activation`) and for
 * ranks where they are needed (`--rank-allocation`).
 */
import type { Random } from '../../runtime/random.ts';
import { random } from '../../runtime/random.ts';
import type { Samples } from '../data/samples.ts';
import type { DeviceTensor, Engine, Inputs, Program } from '../engines/engine.ts';
import { floats } from '../engines/engine.ts';
import { inputsOf } from '../graph/cost.ts';
import { gradients } from '../graph/grad.ts';
import { elementCount, type Node, type Shape } from '../graph/graph.ts';
import { add, multiply } from '../graph/ops/binary.ts';
import { gemm } from '../graph/ops/gemm.ts';
import { input, inputName, scalar } from '../graph/ops/leaf.ts';
import { sum, sumOfAll } from '../graph/ops/reduce.ts';
import { reshape } from '../graph/ops/reshape.ts';
import { slice } from '../graph/ops/slice.ts';
import { adaptedLayers, blockLinears, isFused, type Layer, linearSize, rankedOf, tensorsOf } from '../models/layers.ts';
import { denseParts } from '../pclora/linear.ts';
import type { Moment } from '../pclora/svd.ts';
import type { Checkpoint } from '../pretrained/checkpoint.ts';
import { batchedInputs, batchInputs, normalizationOf, uploadBatch } from './batch-inputs.ts';
import { evaluationBatch } from './evaluate.ts';
import { createPrograms } from './programs.ts';

/** Batches of `EVALUATION_BATCH` that are looked at: 768 samples, of 50 to 200 tokens each. */
const BATCHES = 12;

/** A moment of one layer, which layers that take the same rows share. */
interface Collected {
  readonly of: Moment['of'];
  readonly name: string;
}

/** What a layer's inputs are summed under, where their mean is asked for, and how many tokens these are. */
const inputSum = (layer: string): string => `inputs.${layer}`;
const TOKENS = 'tokens';

/**
 * The second moments of the layers that get adapters, by their names, summed over the tokens of some training batches:
 * of a layer's inputs where they are no wider than its outputs, else of its outputs, and of a table's rows. The engine adds
 * them up.
 * @param withMeans asks for the means of linear layers' inputs, too
 */
export async function collectMoments(
  engine: Engine,
  teacher: Checkpoint,
  ranks: ReadonlyMap<string, number>,
  weights: Inputs,
  samples: Samples,
  { seed, withMeans }: { readonly seed: number; readonly withMeans: boolean },
): Promise<ReadonlyMap<string, Moment>> {
  const { layers, sums } = await summed(engine, teacher, weights, samples, {
    seed,
    batch: evaluationBatch(engine),
    graph: (batch, tokens) => momentsGraph(teacher, ranks, withMeans, batch, tokens),
  });
  const mean = (layer: string) => sums.get(inputSum(layer))?.map((value) => value / sums.get(TOKENS)![0]);
  return new Map(
    [...layers].map(([layer, { of, name }]) => [layer, { of, values: sums.get(name)!, mean: mean(layer) }]),
  );
}

/**
 * The second moments of what flows back to the blocks' layers, by their names, from the distillation of block outputs
 * (`featureLoss`): of δW, the gradients at a layer's inputs through that layer, where the inputs are no wider than the
 * outputs, else of δ, the gradients at its outputs.
 *
 * At the teacher itself the loss and its gradient are zero; what errors cost there is told by its second derivatives. Of a
 * mean of squares these are JᵀJ, with J the Jacobian of the block outputs (Gauss-Newton), and JᵀJ is the mean of
 * (Jᵀz)(Jᵀz)ᵀ over random signs z (Hutchinson 1990): one backward pass, from signs instead of a loss's gradient.
 * Query, key and value that share A are one layer, under its name.
 * @param ranks tell whether they do
 * @param batch how many samples' activations memory has room for
 * @param featureBlocks the blocks, from 0, whose outputs are distilled; the last is among them
 */
export async function collectBackwards(
  engine: Engine,
  teacher: Checkpoint,
  ranks: ReadonlyMap<string, number>,
  weights: Inputs,
  samples: Samples,
  seed: number,
  { batch, featureBlocks }: { readonly batch: number; readonly featureBlocks: readonly number[] },
): Promise<ReadonlyMap<string, Float32Array>> {
  const { layers, sums } = await summed(engine, teacher, weights, samples, {
    seed,
    batch,
    graph: (size, tokens) => backwardsGraph(teacher, isFused(ranks), featureBlocks, size, tokens),
    signs: random(seed, 3),
  });
  return new Map([...layers].map(([layer, { name }]) => [layer, sums.get(name)!]));
}

/** What is summed, and over which batches. */
interface Summing {
  readonly seed: number;
  readonly batch: number;
  /** Adds a batch's part to what comes in under the outputs' names. */
  graph(batch: number, tokens: number | null): Summed;
  /** Where the input `SIGNS` comes from, for graphs that have it. */
  readonly signs?: Random;
}

interface Summed {
  readonly outputs: Readonly<Record<string, Node>>;
  readonly layers: ReadonlyMap<string, Collected>;
}

/** Random signs, for each block's outputs. */
const SIGNS = 'signs';

/** Goes over `BATCHES` · `EVALUATION_BATCH` training samples. */
async function summed(
  engine: Engine,
  teacher: Checkpoint,
  weights: Inputs,
  samples: Samples,
  { seed, batch, graph, signs }: Summing,
): Promise<{ readonly layers: Summed['layers']; readonly sums: ReadonlyMap<string, Float32Array> }> {
  const batches = Math.ceil((BATCHES * evaluationBatch(engine)) / batch);
  const layers = new Map<string, Collected>();
  const shapes = new Map<string, Shape>();
  const signShapes = new Map<number | null, Shape>();
  const programs = createPrograms((tokens) => {
    const { outputs, layers: found } = graph(batch, tokens);
    for (const [name, collected] of found) layers.set(name, collected);
    for (const [name, { shape }] of Object.entries(outputs)) shapes.set(name, shape);
    const signed = inputsOf({ outputs }).find((node) => inputName(node) === SIGNS);
    if (signed) signShapes.set(tokens, signed.shape);
    const donated = Object.fromEntries(Object.keys(outputs).map((name) => [name, name]));
    return engine.compile({ outputs }, { donated, takesTurns: tokens !== null, batched: batchedInputs(teacher.model) });
  });
  let sums: Record<string, DeviceTensor> | null = null;
  let seen = 0;
  for await (const { inputs, tokens, size } of samples.batches({ batchSize: batch, seed, shuffle: true })) {
    // A last batch that is filled up would count some samples twice.
    if (seen > 0 && size < batch) break;
    const program: Program = await programs.at(tokens);
    sums ??= zeros(engine, shapes);
    const uploaded = uploadBatch(engine, inputs);
    const shape = signShapes.get(tokens);
    if (shape && signs) uploaded[SIGNS] = engine.upload(floats(drawnSigns(elementCount(shape), signs), shape));
    const next = await program.run({ ...weights, ...sums, ...uploaded });
    for (const tensor of [...Object.values(sums), ...Object.values(uploaded)]) tensor.dispose();
    sums = next;
    if (++seen === batches) break;
  }
  const values = new Map<string, Float32Array>();
  for (const [name, tensor] of Object.entries(sums ?? {})) {
    values.set(name, (await tensor.read()).slice() as Float32Array);
    tensor.dispose();
  }
  await programs.dispose();
  return { layers, sums: values };
}

function drawnSigns(count: number, source: Random): Float32Array {
  return Float32Array.from({ length: count }, () => (source.uniform() < 0.5 ? -1 : 1));
}

function zeros(engine: Engine, shapes: ReadonlyMap<string, Shape>): Record<string, DeviceTensor> {
  return Object.fromEntries(
    [...shapes].map(([name, shape]) => [name, engine.upload(floats(new Float32Array(elementCount(shape)), shape))]),
  );
}

/** Adds a batch's moments to those that come in under the same names. */
function momentsGraph(
  { model, preprocessing }: Checkpoint,
  ranks: ReadonlyMap<string, number>,
  withMeans: boolean,
  batch: number,
  tokens: number | null,
): Summed {
  const inputs = batchInputs(model, batch, normalizationOf(preprocessing), {
    padded: true,
    tokens: tokens ?? undefined,
  });
  const adapted = new Set(adaptedLayers(model.layers, ranks));
  const layers = new Map<string, Collected>();
  const outputs: Record<string, Node> = {};
  const nameOf = new Map<Node, string>();
  const collect = (layer: Layer, of: Moment['of'], rows: Node): void => {
    const name = nameOf.get(rows) ?? `moment.${layer.name}`;
    const width = rows.shape[1];
    nameOf.set(rows, name);
    layers.set(layer.name, { of, name });
    outputs[name] ??= gemm(counted(rows, inputs.mask), rows, input(name, [width, width]), { transA: true });
  };
  const sumInputs = (layer: Layer, x: Node): void => {
    const name = inputSum(layer.name);
    const [rows, width] = x.shape;
    outputs[name] = add(input(name, [1, width]), sum(counted(x, inputs.mask), [0]));
    outputs[TOKENS] ??= add(input(TOKENS, []), inputs.mask ? sumOfAll(inputs.mask) : scalar(rows));
  };
  const dense = denseParts(tensorsOf(model.layers));
  model.forward(inputs, batch, {
    ...dense,
    linear(layer, x) {
      const { inFeatures, outFeatures } = linearSize(layer);
      if (adapted.has(layer)) {
        if (withMeans) sumInputs(layer, x);
        if (inFeatures <= outFeatures) collect(layer, 'inputs', x);
        else collect(layer, 'outputs', gemm(x, dense.tensor(`${layer.name}.weight`), null, { transB: true }));
      }
      return dense.linear(layer, x);
    },
    embedding(layer, ids) {
      const rows = dense.embedding(layer, ids);
      if (adapted.has(layer)) collect(layer, 'rows', rows);
      return rows;
    },
  });
  return { outputs, layers };
}

/**
 * One backward pass from random signs at the outputs of these blocks. All take theirs from the same rows, each a sample's
 * length further on, so that no two blocks of a sample have the same.
 */
function backwardsGraph(
  { model, preprocessing }: Checkpoint,
  fuseQkv: boolean,
  featureBlocks: readonly number[],
  batch: number,
  tokens: number | null,
): Summed {
  const inputs = batchInputs(model, batch, normalizationOf(preprocessing), {
    padded: true,
    tokens: tokens ?? undefined,
  });
  const dense = denseParts(tensorsOf(model.layers));
  const said = new Map<string, Node>();
  const forward = model.forward(inputs, batch, {
    ...dense,
    linear(layer, x) {
      const y = dense.linear(layer, x);
      said.set(layer.name, y);
      return y;
    },
  });
  const blocks = featureBlocks.map((i) => forward.blocks[i]);
  const [rows, width] = blocks[0].shape;
  const length = rows / batch;
  const signs = input(SIGNS, [rows + (blocks.length - 1) * length, width]);
  const told = blocks.map((block, i) =>
    sumOfAll(multiply(counted(block, inputs.mask), slice(signs, 0, i * length, rows))),
  );
  const found = gradients(
    told.reduce((a, b) => add(a, b)),
    [...said.values()],
  );
  const flowing = new Map([...said.keys()].map((name, i) => [name, found[i]]));
  const layers = new Map<string, Collected>();
  const outputs: Record<string, Node> = {};
  for (const { layer, parts } of rankedOf(blockLinears(model.layers), fuseQkv)) {
    const { inFeatures, outFeatures } = linearSize(layer);
    const atInputs = inFeatures <= outFeatures;
    const flows = parts.map(({ name }) =>
      atInputs ? gemm(flowing.get(name)!, dense.tensor(`${name}.weight`), null) : flowing.get(name)!,
    );
    // δ·W of weights that are stacked by rows is the sum of theirs.
    const flow = flows.reduce((a, b) => add(a, b));
    const name = `backwards.${layer.name}`;
    const side = flow.shape[1];
    layers.set(layer.name, { of: atInputs ? 'inputs' : 'outputs', name });
    outputs[name] = gemm(flow, flow, input(name, [side, side]), { transA: true });
  }
  return { outputs, layers };
}

/** The rows (B·T, D) that are tokens; those of padding are zero. */
function counted(rows: Node, mask: Node | undefined): Node {
  return mask ? multiply(rows, reshape(mask, [rows.shape[0], 1])) : rows;
}
