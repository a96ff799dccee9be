import { type JsonObject, list, madeBy, object, oneOf, record, wholeFrom } from '../artifact/schema.ts';
import { type BodyBudget, readBody } from './body.ts';
import type { InputReader } from './classifier.ts';
import { decoderOf } from './content-encoding.ts';
import { ofRequest } from './of-request.ts';
import { Problem } from './problem.ts';

/** What a client asks, whichever way it sent it. */
export interface PredictRequest<Input> {
  readonly inputs: readonly Input[];
  /** Whether it sent a list, and gets one. */
  readonly isList: boolean;
  readonly topK: number;
}

/** Labels of an answer unless the client says how many. */
export const DEFAULT_TOP_K = 5;
/** More are refused with 400, whatever the model has. */
export const MAX_TOP_K = 1000;
/** Of one request. */
export const MAX_INPUTS = 64;

/**
 * Reads inputs from a body that is one, from a form, or from JSON
 * `{"inputs": one or a list, "parameters": {"top_k": n}}`; `?top_k=` goes first. A body without a type, as
 * `fetch(url, { body: blob })` sends one, is taken for bytes. Throws Problem 400, 413, 415 or 503.
 */
export async function readPredictRequest<Input>(
  request: Request,
  reader: InputReader<Input>,
  maxBodyBytes: number,
  budget?: BodyBudget,
): Promise<PredictRequest<Input>> {
  const type = (request.headers.get('content-type') ?? '').split(';', 1)[0].trim().toLowerCase();
  const read =
    type === 'application/json'
      ? fromJson
      : type === 'multipart/form-data'
        ? fromForm
        : reader.takes.test(type || 'application/octet-stream')
          ? fromBytes
          : null;
  if (read === null) throw new Problem(415, `Content-Type: expected ${reader.types}, got ${type || 'none'}`);
  const decode = decoderOf(request);
  const topK = new URL(request.url).searchParams.get('top_k');
  const body = await readBody(request, maxBodyBytes, budget);
  const asked = await read(await decode(body, maxBodyBytes, budget), reader, request);
  return topK === null ? asked : { ...asked, topK: readTopK('top_k', numberOf(topK)) };
}

/** What is no number stays what it is, for the message. */
const numberOf = (text: string): unknown => (text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text));

const readTopK = ofRequest(wholeFrom(1, MAX_TOP_K));

function fromBytes<Input>(body: Uint8Array, reader: InputReader<Input>): PredictRequest<Input> {
  return { inputs: [reader.ofBytes(body)], isList: false, topK: DEFAULT_TOP_K };
}

const parseJson = madeBy(JSON.parse, 'JSON');
const readObject = ofRequest((where, json) => object(where, parseJson(where, json)));
/** As Hugging Face's API names them. Scores are a softmax's, whatever is asked for would be another function. */
const readParameters = ofRequest(record({ top_k: wholeFrom(1, MAX_TOP_K), function_to_apply: oneOf('softmax') }));
const readFields = ofRequest(record({ inputs: (_, json: unknown) => json, parameters: object, options: object }));
const readList = ofRequest(list((_, json: unknown) => json, 1, MAX_INPUTS));

function fromJson<Input>(body: Uint8Array, reader: InputReader<Input>): PredictRequest<Input> {
  // Hugging Face's clients send options, which mean nothing here.
  const { inputs, parameters } = readFields('the body', {
    parameters: {},
    options: {},
    ...readObject('the body', new TextDecoder().decode(body)),
  });
  const { top_k: topK } = readParameters('parameters', {
    top_k: DEFAULT_TOP_K,
    function_to_apply: 'softmax',
    ...(parameters as JsonObject),
  });
  const isList = Array.isArray(inputs);
  const read = isList
    ? readList('inputs', inputs).map((input, i) => reader.ofJson(`inputs[${i}]`, input))
    : [reader.ofJson('inputs', inputs)];
  return { inputs: read, isList, topK };
}

/** A form's field `top_k`, and its other fields, whatever their names: each is an input. */
async function fromForm<Input>(
  body: Uint8Array<ArrayBuffer>,
  reader: InputReader<Input>,
  { headers }: Request,
): Promise<PredictRequest<Input>> {
  const form = await new Response(body, { headers: { 'content-type': headers.get('content-type') as string } })
    .formData()
    .catch(() => {
      throw new Problem(400, 'the body: expected a form, with the boundary that Content-Type tells');
    });
  const topK = form.get('top_k');
  form.delete('top_k');
  const fields = readList('the fields of the form', [...form.values()]) as (string | File)[];
  const inputs = await Promise.all(
    fields.map(async (field) =>
      reader.ofBytes(
        typeof field === 'string' ? new TextEncoder().encode(field) : new Uint8Array(await field.arrayBuffer()),
      ),
    ),
  );
  return {
    inputs,
    isList: inputs.length > 1,
    topK: topK === null ? DEFAULT_TOP_K : readTopK('top_k', numberOf(`${topK as string}`)),
  };
}
