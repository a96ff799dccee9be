import type { HonoRequest } from 'hono';
import { failing, madeBy, object, text, wholeFrom, type Read } from '../artifact/schema.ts';
import { Problem } from './problem.ts';

/** What a client asks of `POST /v1/predict`, whichever way it sent it. */
export interface PredictRequest {
  /** The encoded picture. */
  readonly image: Uint8Array;
  readonly topK: number;
}

const DEFAULT_TOP_K = 5;
const MAX_TOP_K = 1000;

/** Reads the picture from the body, or from the field `image` of a JSON body. Throws Problem 400, 413 or 415. */
export async function readPredictRequest(request: HonoRequest, maxBodyBytes: number): Promise<PredictRequest> {
  const type = (request.header('content-type') ?? 'none').split(';', 1)[0].trim().toLowerCase();
  const isJson = type === 'application/json';
  if (!isJson && !type.startsWith('image/') && type !== 'application/octet-stream') {
    throw new Problem(415, `Content-Type: expected image/*, application/octet-stream, or application/json {"image": base64}, got ${type}`);
  }
  const body = await readBody(request.raw, maxBodyBytes);
  const given = isJson ? readJson('the body', new TextDecoder().decode(body)) : {};
  const image = isJson ? readBase64('image', given.image) : body;
  if (image.length === 0) throw new Problem(400, 'the picture is empty');
  const queryTopK = new URL(request.url).searchParams.get('topK');
  return { image, topK: readTopK('topK', queryTopK === null ? given.topK ?? DEFAULT_TOP_K : Number(queryTopK) || queryTopK) };
}

const ofRequest = <T>(read: Read<T>): Read<T> => failing((message) => new Problem(400, message), read);

const readTopK = ofRequest(wholeFrom(1, MAX_TOP_K));

const parseJson = madeBy(JSON.parse, 'JSON');
const readJson = ofRequest((where, json) => object(where, parseJson(where, json)));

const decodeBase64 = madeBy(atob, 'base64, or a data: URL of it');
const readBase64 = ofRequest((where, json) => {
  const binary = decodeBase64(where, text(where, json).replace(/^data:[^,]*;base64,/, ''));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
});

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
