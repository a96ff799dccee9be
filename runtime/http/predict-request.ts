import { PROBLEMS } from '../artifact/problem-type.ts';
import { type JsonObject, list, madeBy, object, oneOf, record, wholeFrom } from '../artifact/schema.ts';
import { type BodyBudget, readBody } from './body.ts';
import type { Classifier, ModelInfo } from './classifier.ts';
import { decoderOf } from './content-encoding.ts';
import { decodeUtf8, ofRequest } from './of-request.ts';
import { Problem } from './problem.ts';

/** What a client asks, whichever way it sent it. */
export interface PredictRequest<Input> {
  readonly inputs: readonly Input[];
  /** Whether it sent a list, and gets one. */
  readonly isList: boolean;
  readonly topK: number;
}

/** More are refused with 400, whatever the model has. */
export const MAX_TOP_K = 1000;
/** Where only one of the labels is right. */
const USUAL_TOP_K = 5;

/** Labels of an answer unless the client says how many: where several may be right, all. */
export function defaultTopK({ problemType, labels }: Pick<ModelInfo, 'problemType' | 'labels'>): number {
  return problemType === 'single_label_classification' ? USUAL_TOP_K : Math.min(labels.length, MAX_TOP_K);
}

/** What a model takes, and what it is. */
type Asked<Input> = Pick<Classifier<Input>, 'input' | 'info'>;
/** Of one request. */
export const MAX_INPUTS = 64;

/**
 * Reads inputs from a body that is one, from a form, or from JSON
 * `{"inputs": one or a list, "parameters": {"top_k": n}}`; `?top_k=` goes first. A body without a type, as
 * `fetch(url, { body: blob })` sends one, is taken for bytes. Throws Problem 400, 413, 415 or 503.
 */
export async function readPredictRequest<Input>(
  request: Request,
  model: Asked<Input>,
  maxBodyBytes: number,
  budget?: BodyBudget,
): Promise<PredictRequest<Input>> {
  const [type, ...parameters] = (request.headers.get('content-type') ?? '')
    .split(';')
    .map((part) => part.trim().toLowerCase());
  const read =
    type === 'application/json'
      ? fromJson
      : type === 'multipart/form-data'
        ? fromForm
        : model.input.takes.test(type || 'application/octet-stream')
          ? fromBytes
          : null;
  if (read === null) throw new Problem(415, `Content-Type: expected ${model.input.types}, got ${type || 'none'}`);
  const charset = parameters.find((parameter) => parameter.startsWith('charset='));
  if (charset && !UTF8.test(charset)) throw new Problem(415, `expected charset=utf-8, got ${charset}`);
  const decode = decoderOf(request);
  const topK = new URL(request.url).searchParams.get('top_k');
  const body = await readBody(request, maxBodyBytes, budget);
  const asked = await read(await decode(body, maxBodyBytes, budget), model, request);
  return topK === null ? asked : { ...asked, topK: readTopK('top_k', numberOf(topK)) };
}

/** UTF-8, and what is a part of it. */
const UTF8 = /^charset="?(utf-?8|us-ascii)"?$/;

/** What is no number stays what it is, for the message. */
const numberOf = (text: string): unknown => (/^\d+$/.test(text) ? Number(text) : text);

const readTopK = ofRequest(wholeFrom(1, MAX_TOP_K));

function fromBytes<Input>(body: Uint8Array, { input, info }: Asked<Input>): PredictRequest<Input> {
  return { inputs: [input.ofBytes(body)], isList: false, topK: defaultTopK(info) };
}

const parseJson = madeBy(JSON.parse, 'JSON');
const readObject = ofRequest((where, json) => object(where, parseJson(where, json)));
const readFields = ofRequest(record({ inputs: (_, json: unknown) => json, parameters: object, options: object }));
const readList = ofRequest(list((_, json: unknown) => json, 1, MAX_INPUTS));

function fromJson<Input>(body: Uint8Array, { input: reader, info }: Asked<Input>): PredictRequest<Input> {
  // Hugging Face's clients send options, which mean nothing here.
  const { inputs, parameters } = readFields('the body', {
    parameters: {},
    options: {},
    ...readObject('the body', decodeUtf8('the body', body)),
  });
  // As Hugging Face's API names them. The function is the model's: another would give other scores.
  const applied = PROBLEMS[info.problemType].scores;
  const { top_k: topK } = ofRequest(record({ top_k: wholeFrom(1, MAX_TOP_K), function_to_apply: oneOf(applied) }))(
    'parameters',
    { top_k: defaultTopK(info), function_to_apply: applied, ...(parameters as JsonObject) },
  );
  const isList = Array.isArray(inputs);
  const read = isList
    ? readList('inputs', inputs).map((input, i) => reader.ofJson(`inputs[${i}]`, input))
    : [reader.ofJson('inputs', inputs)];
  return { inputs: read, isList, topK };
}

/**
 * A form's field `top_k`, and its other fields, whatever their names: each is an input; but `text` and `text_pair` are
 * one, as in JSON.
 */
async function fromForm<Input>(
  body: Uint8Array<ArrayBuffer>,
  { input, info }: Asked<Input>,
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
  // The platform puts this character where bytes are none of UTF-8; a form's files, of any bytes, lie beside them.
  if (fields.some((field) => typeof field === 'string' && field.includes('\ufffd')))
    decodeUtf8('a field of the form', body);
  const inputs = form.has('text_pair')
    ? [input.ofJson('the form', Object.fromEntries(form))]
    : await Promise.all(
        fields.map(async (field) =>
          input.ofBytes(
            typeof field === 'string' ? new TextEncoder().encode(field) : new Uint8Array(await field.arrayBuffer()),
          ),
        ),
      );
  return {
    inputs,
    isList: inputs.length > 1,
    topK: topK === null ? defaultTopK(info) : readTopK('top_k', numberOf(`${topK as string}`)),
  };
}
