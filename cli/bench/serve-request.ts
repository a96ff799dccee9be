/** What the load test of a server sends: a picture or a text of the size that its model takes. */
import type { ModelInfo } from '../../runtime/http/classifier.ts';
import { readImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { random } from '../../runtime/random.ts';
import { encodePng } from './png.ts';

/** A body of `POST /v1/predict`, the same each time. */
export interface LoadRequest {
  readonly contentType: string;
  readonly body: Buffer;
  /** In words. */
  readonly what: string;
}

/** A file as it is: of a picture model a picture, else a text in UTF-8. */
export function requestOfFile({ task }: Pick<ModelInfo, 'task'>, path: string, body: Buffer): LoadRequest {
  return { contentType: task === 'image-classification' ? 'application/octet-stream' : 'text/plain', body, what: path };
}

/** The same request for the same model and seed. */
export function sampleRequest(
  { task, preprocessing }: Pick<ModelInfo, 'task' | 'preprocessing'>,
  seed: number,
): LoadRequest {
  if (task === 'text-classification')
    return { contentType: 'text/plain', body: Buffer.from(sampleText(seed)), what: `a text of ${WORDS} words` };
  const { width, height } = readImagePreprocess(preprocessing).size;
  return {
    contentType: 'image/png',
    body: encodePng(width, height, mosaic(width, height, seed)),
    what: `a PNG of ${width}×${height} pixels`,
  };
}

const WORDS = 32;
const VOCABULARY =
  'the a film story of people music scene that feels quiet long funny dull and with its ending good bad'.split(' ');

function sampleText(seed: number): string {
  const source = random(seed);
  return `${Array.from({ length: WORDS }, () => VOCABULARY[source.below(VOCABULARY.length)]).join(' ')}.`;
}

const TILE = 4;

/**
 * Tiles of random colours: as a PNG about as many bytes as a photograph of the size is as a JPEG; noise would be ten
 * times as many. (height, width, 3)
 */
function mosaic(width: number, height: number, seed: number): Uint8Array {
  const source = random(seed);
  const across = Math.ceil(width / TILE);
  const colours = Uint8Array.from({ length: 3 * across * Math.ceil(height / TILE) }, () => source.below(256));
  return Uint8Array.from({ length: 3 * width * height }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / (3 * width))];
    return colours[3 * (across * Math.floor(y / TILE) + Math.floor(x / TILE)) + (i % 3)];
  });
}
