import type { HonoRequest } from 'hono';
import { failing, madeBy, object, wholeFrom, type JsonObject, type Read } from '../artifact/schema.ts';
import type { InputReader } from './classifier.ts';
import { Problem } from './problem.ts';

/** What a client asks of `POST /v1/predict`, whichever way it sent it. */
export interface PredictRequest<Input> {
  readonly input: Input;
  readonly topK: number;
}

const DEFAULT_TOP_K = 5;
const MAX_TOP_K = 1000;

/** Reads the input from the body, or from the fields of a JSON body. Throws Problem 400, 413 or 415. */
export async function readPredictRequest<Input>(request: HonoRequest, { takes, types, read }: InputReader<Input>, maxBodyBytes: number): Promise<PredictRequest<Input>> {
  const type = (request.header('content-type') ?? 'none').split(';', 1)[0].trim().toLowerCase();
  const isJson = type === 'application/json';
  if (!isJson && !takes.test(type)) throw new Problem(415, `Content-Type: expected ${types}, got ${type}`);
  const body = await readBody(request.raw, maxBodyBytes);
  const given: Uint8Array | JsonObject = isJson ? readJson('the body', new TextDecoder().decode(body)) : body;
  const queryTopK = new URL(request.url).searchParams.get('topK');
  // Bytes have no topK.
  return { input: read(given), topK: readTopK('topK', queryTopK === null ? (given as JsonObject).topK ?? DEFAULT_TOP_K : Number(queryTopK) || queryTopK) };
}

export const ofRequest = <T>(read: Read<T>): Read<T> => failing((message) => new Problem(400, message), read);

const readTopK = ofRequest(wholeFrom(1, MAX_TOP_K));

const parseJson = madeBy(JSON.parse, 'JSON');
const readJson = ofRequest((where, json) => object(where, parseJson(where, json)));

/** Refuses a body as soon as it is known to be too long: by its header, or while it comes. */
async function readBody({ headers, body }: Request, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const refuseAbove = (length: number): void => {
    if (length > maxBytes) throw new Problem(413, `the body is larger than ${maxBytes} bytes`);
  };
  refuseAbove(Number(headers.get('content-length')));
  let length = 0;
  for await (const part of body ?? []) {
    refuseAbove((length += part.length));
    parts.push(part);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
