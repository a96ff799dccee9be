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
const ACCEPTED = 'send a picture as image/* or application/octet-stream, or as JSON {"image": base64}';

/** Reads the picture from the body, or from the field `image` of a JSON body. Throws Problem 400, 413 or 415. */
export async function readPredictRequest(request: HonoRequest, maxBodyBytes: number): Promise<PredictRequest> {
  const type = (request.header('content-type') ?? '').split(';', 1)[0].trim().toLowerCase();
  const isJson = type === 'application/json';
  if (!isJson && !type.startsWith('image/') && type !== 'application/octet-stream') {
    throw new Problem(415, `${type === '' ? 'no Content-Type' : `Content-Type ${type}`}: ${ACCEPTED}`);
  }
  const body = await readBody(request.raw, maxBodyBytes);
  const given = isJson ? readJson('the body', new TextDecoder().decode(body)) : { image: body };
  const image = given.image === body ? body : readBase64('image', given.image);
  if (image.length === 0) throw new Problem(400, `the picture is empty: ${ACCEPTED}`);
  const queryTopK = new URL(request.url).searchParams.get('topK');
  return { image, topK: readTopK('topK', queryTopK === null ? given.topK ?? DEFAULT_TOP_K : Number(queryTopK)) };
}

const ofRequest = <T>(read: Read<T>): Read<T> => failing((message) => new Problem(400, message), read);

const readTopK = ofRequest(wholeFrom(1, 1000));

const parseJson = madeBy(JSON.parse, 'JSON');
const readJson = ofRequest((where, json) => object(where, parseJson(where, json)));

const decodeBase64 = madeBy(atob, 'base64, or a data: URL of it');
const readBase64 = ofRequest((where, json) => {
  const binary = decodeBase64(where, text(where, json).replace(/^data:[^,]*;base64,/, ''));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
});

/** Refuses a body as soon as it is known to be too long: by its header, or while it comes. */
async function readBody({ headers, body }: Request, maxBytes: number): Promise<Uint8Array> {
  const refuseAbove = (length: number): void => {
    if (length > maxBytes) throw new Problem(413, `the body is larger than ${maxBytes} bytes`);
  };
  refuseAbove(Number(headers.get('content-length')));
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const reader = body?.getReader();
  for (let part = await reader?.read(), length = 0; part?.value !== undefined; part = await reader?.read()) {
    refuseAbove((length += part.value.length));
    parts.push(part.value);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
