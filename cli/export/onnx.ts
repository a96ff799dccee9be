/** A trained model as one ONNX file: inputs and output by optimum's names, weights inside. */
import { int8Rows, quantizeTensors } from '../compress/quantize.ts';
import { selectEarly } from '../compress/select-early.ts';
import { f32Values, type StoredTensors } from '../compress/stored-tensors.ts';
import { floats, type HostTensor } from '../engines/engine.ts';
import { dequantized, dequantizedRows } from '../engines/onnx/dequantized.ts';
import { type PortableInput, writePortable } from '../engines/onnx/portable.ts';
import type { Sizes } from '../engines/onnx/sizes.ts';
import type { Graph, Node } from '../graph/graph.ts';
import { inputName } from '../graph/ops/leaf.ts';
import { rewrite } from '../graph/rewrite.ts';
import { UserError } from '../io/errors.ts';
import { takesTypes } from '../pretrained/preprocessing.ts';
import { imagePreprocessToHuggingFace } from '../pretrained/preprocessor-config.ts';
import { deployable, deployedLogits, floatDeployable, type TrainedModel } from '../train/trained-model.ts';
import { VERSION } from '../version.ts';
import type { OnnxWeights } from './onnx-weights.ts';

/** protobuf counts a message's bytes in 31 bits. */
const MAX_BYTES = 2 ** 31 - 1;

const INPUTS: Readonly<Record<string, PortableInput>> = {
  pixels: { name: 'pixel_values', dtype: 'f32' },
  ids: { name: 'input_ids', dtype: 'i64' },
  mask: { name: 'attention_mask', dtype: 'i64' },
  types: { name: 'token_type_ids', dtype: 'i64' },
};

/** How a file is written. */
export interface OnnxOptions {
  readonly weights: OnnxWeights;
  /** Whether the tokenizer goes into the file's metadata, for there is no folder for it. */
  readonly alone: boolean;
}

/**
 * The bytes of the ONNX model that answers as `trained` does, whatever the number of samples and, of texts, of tokens.
 * @throws UserError where it is too large for one file
 */
export function onnxBytes(trained: TrainedModel, { weights, alone }: OnnxOptions): Uint8Array {
  const tensors = weights === 'f32' ? floatDeployable(trained) : int8Deployable(trained);
  const metadata = metadataOf(trained, weights, alone);
  const ownBytes = Object.values(metadata).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  expectOnnxRoom(
    [...tensors.values()].reduce((sum, { data }) => sum + data.length, ownBytes),
    weights,
  );
  const bytes = writePortable((sizes) => graphOf(trained, tensors, sizes), {
    inputs: INPUTS,
    constants: Object.fromEntries(
      [...tensors].flatMap(([name, tensor]): [string, HostTensor][] =>
        tensor.dtype === 'F32' ? [[name, floats(f32Values(tensor), tensor.shape)]] : [],
      ),
    ),
    version: VERSION,
    metadata,
  });
  expectOnnxRoom(bytes.length, weights);
  return bytes;
}

/** UserError for more bytes than one ONNX file holds. */
export function expectOnnxRoom(bytes: number, weights: OnnxWeights): void {
  if (bytes <= MAX_BYTES) return;
  const smaller = weights === 'f32' ? 'Take --weights int8, or' : 'Take';
  throw new UserError(
    `an ONNX file holds at most 2 GB (protobuf's limit), these weights are ${(bytes / 1e9).toFixed(2)} GB`,
    `${smaller} --to safetensors, which has no such limit.`,
  );
}

/** The tensors that get deployed, those in int4 as the int8 that they stand for. */
function int8Deployable(trained: TrainedModel): StoredTensors {
  const { logits, tensors } = deployable(trained);
  return trained.precision === 'f32' ? quantizeTensors(tensors, logits) : tensors;
}

function graphOf(trained: TrainedModel, tensors: StoredTensors, { batch, tokens }: Sizes): Graph {
  const isText = trained.preprocessing.kind === 'text';
  const logits = selectEarly(deployedLogits(trained, isText ? { batch, tokens, padded: true } : { batch }));
  const graph = takesTypes(trained.preprocessing) ? { outputs: { logits } } : withoutTypes({ outputs: { logits } });
  return withQuantized(graph, tensors);
}

/** Where there is one type of tokens, all have the table's one row, which is added to each as it is. */
function withoutTypes(graph: Graph): Graph {
  return rewrite(graph, ({ operation, inputs: [, ids] }, [table]) =>
    operation.name === 'embedding' && inputName(ids) === 'types' ? table : null,
  );
}

function withQuantized(graph: Graph, tensors: StoredTensors): Graph {
  const quantizedOf = (node: Node) => {
    const name = inputName(node);
    const rows = name === null ? null : int8Rows(tensors, name, node.shape);
    return rows && { name: name as string, rows };
  };
  return rewrite(graph, (node, [, ids]) => {
    if (node.operation.name === 'embedding') {
      const table = quantizedOf(node.inputs[0]);
      return table && dequantizedRows(table.rows, ids, table.name);
    }
    const weight = quantizedOf(node);
    return weight && dequantized(weight.rows, weight.name);
  });
}

/** What a file tells of itself. */
function metadataOf(
  { config, preprocessing, source, architecture }: TrainedModel,
  weights: OnnxWeights,
  alone: boolean,
): Record<string, string> {
  return {
    slim_version: VERSION,
    model: source,
    architecture: architecture.modelType,
    weights,
    problem_type: config.problemType,
    labels: JSON.stringify(config.labels),
    ...(preprocessing.kind === 'image'
      ? { preprocessor_config: JSON.stringify(imagePreprocessToHuggingFace(preprocessing.image)) }
      : {
          max_tokens: String(preprocessing.maxTokens),
          ...(alone ? { tokenizer: JSON.stringify(preprocessing.tokenizer) } : {}),
        }),
  };
}
