/** What a teacher's layers see and say on training samples, for adapters that start from it (`--init activation`). */
import type { Samples } from '../data/samples.ts';
import type { DeviceTensor, Engine, Inputs, Program } from '../engines/engine.ts';
import { floats } from '../engines/engine.ts';
import { elementCount, type Node } from '../graph/graph.ts';
import { multiply } from '../graph/ops/binary.ts';
import { gemm } from '../graph/ops/gemm.ts';
import { input } from '../graph/ops/leaf.ts';
import { reshape } from '../graph/ops/reshape.ts';
import { adaptedLayers, type Layer, linearSize, tensorsOf } from '../models/layers.ts';
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
  readonly width: number;
}

/**
 * The second moments of the layers that get adapters, by their names, summed over the tokens of some training batches:
 * of a layer's inputs where they are no wider than its outputs, else of its outputs, and of a table's rows. The engine adds
 * them up.
 */
export async function collectMoments(
  engine: Engine,
  teacher: Checkpoint,
  ranks: ReadonlyMap<string, number>,
  weights: Inputs,
  samples: Samples,
  seed: number,
): Promise<ReadonlyMap<string, Moment>> {
  const batch = evaluationBatch(engine);
  const byLayer = new Map<string, Collected>();
  const programs = createPrograms((tokens) => {
    const { outputs, layers } = momentsGraph(teacher, ranks, batch, tokens);
    for (const [name, collected] of layers) byLayer.set(name, collected);
    const donated = Object.fromEntries(Object.keys(outputs).map((name) => [name, name]));
    return engine.compile({ outputs }, { donated, takesTurns: tokens !== null, batched: batchedInputs(teacher.model) });
  });
  let sums: Record<string, DeviceTensor> | null = null;
  let seen = 0;
  for await (const { inputs, tokens, size } of samples.batches({ batchSize: batch, seed, shuffle: true })) {
    // A last batch that is filled up would count some samples twice.
    if (seen > 0 && size < batch) break;
    const program: Program = await programs.at(tokens);
    sums ??= zeros(engine, byLayer);
    const uploaded = uploadBatch(engine, inputs);
    const next = await program.run({ ...weights, ...sums, ...uploaded });
    for (const tensor of [...Object.values(sums), ...Object.values(uploaded)]) tensor.dispose();
    sums = next;
    if (++seen === BATCHES) break;
  }
  const values = new Map<string, Float32Array>();
  for (const [name, tensor] of Object.entries(sums ?? {})) {
    values.set(name, (await tensor.read()).slice() as Float32Array);
    tensor.dispose();
  }
  await programs.dispose();
  return new Map([...byLayer].map(([layer, { of, name }]) => [layer, { of, values: values.get(name)! }]));
}

function zeros(engine: Engine, layers: ReadonlyMap<string, Collected>): Record<string, DeviceTensor> {
  const widths = new Map([...layers.values()].map(({ name, width }) => [name, width]));
  return Object.fromEntries(
    [...widths].map(([name, width]) => [
      name,
      engine.upload(floats(new Float32Array(elementCount([width, width])), [width, width])),
    ]),
  );
}

/** Adds a batch's moments to those that come in under the same names. */
function momentsGraph(
  { model, preprocessing }: Checkpoint,
  ranks: ReadonlyMap<string, number>,
  batch: number,
  tokens: number | null,
): { readonly outputs: Readonly<Record<string, Node>>; readonly layers: ReadonlyMap<string, Collected> } {
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
    layers.set(layer.name, { of, name, width });
    outputs[name] ??= gemm(counted(rows, inputs.mask), rows, input(name, [width, width]), { transA: true });
  };
  const dense = denseParts(tensorsOf(model.layers));
  model.forward(inputs, batch, {
    ...dense,
    linear(layer, x) {
      const { inFeatures, outFeatures } = linearSize(layer);
      if (adapted.has(layer)) {
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

/** The rows (B·T, D) that are tokens; those of padding are zero. */
function counted(rows: Node, mask: Node | undefined): Node {
  return mask ? multiply(rows, reshape(mask, [rows.shape[0], 1])) : rows;
}
