import type { HonoRequest } from 'hono';
import { Problem } from './problem.ts';

/** What a client asks of `POST /v1/predict`, whichever way it sent it. */
export interface PredictRequest {
  /** The encoded picture. */
  readonly image: Uint8Array;
  readonly topK: number;
}

const defaultTopK = 5;
const maxTopK = 1000;
const accepted = 'send the picture as the body (image/jpeg, image/png, image/webp or application/octet-stream), or JSON {"image": base64}';

/** Reads the picture from the body, or from the field `image` of a JSON body. Throws Problem 400, 413 or 415. */
export async function readPredictRequest(request: HonoRequest, maxBodyBytes: number): Promise<PredictRequest> {
  const type = (request.header('content-type') ?? '').split(';', 1)[0].trim().toLowerCase();
  const isJson = type === 'application/json';
  if (!isJson && !type.startsWith('image/') && type !== 'application/octet-stream') {
    throw new Problem(415, `${type === '' ? 'no Content-Type' : `Content-Type ${type}`}: ${accepted}`);
  }
  const body = await readBody(request.raw, maxBodyBytes);
  if (body.length === 0) throw new Problem(400, `the body is empty: ${accepted}`);
  const { image, topK } = isJson ? parseJson(new TextDecoder().decode(body)) : { image: body };
  const queryTopK = new URL(request.url).searchParams.get('topK');
  return { topK: readTopK(queryTopK === null ? topK : Number(queryTopK || NaN)), image: image === body ? body : readImageField(image) };
}

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

function parseJson(text: string): Readonly<Record<string, unknown>> {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw new Problem(400, `the body is not valid JSON (${(error as SyntaxError).message})`);
  }
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Record<string, unknown>;
  throw new Problem(400, 'the JSON body must be an object with the field "image"');
}

function readImageField(image: unknown): Uint8Array {
  if (typeof image !== 'string') throw new Problem(400, 'the field "image" must be a string: the picture in base64, or a data: URL');
  const base64 = image.startsWith('data:') ? dataOfUrl(image) : image;
  if (base64 === '') throw new Problem(400, 'the field "image" is empty');
  return decodeBase64(base64);
}

function dataOfUrl(url: string): string {
  const comma = url.indexOf(',');
  if (comma >= 0 && url.slice(0, comma).endsWith(';base64')) return url.slice(comma + 1);
  throw new Problem(400, 'the field "image" is a data: URL without base64 data');
}

function decodeBase64(text: string): Uint8Array {
  let binary: string;
  try {
    binary = atob(text);
  } catch {
    throw new Problem(400, 'the field "image" is not valid base64');
  }
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

function readTopK(value: unknown): number {
  const topK = value ?? defaultTopK;
  if (typeof topK === 'number' && Number.isInteger(topK) && topK >= 1 && topK <= maxTopK) return topK;
  throw new Problem(400, `topK must be a whole number from 1 to ${maxTopK}`);
}
