/** The first request to what was deployed: it has to answer as the artifact answers here. */
import type { Answer } from '../../runtime/http/classifier.ts';
import { defaultTopK } from '../../runtime/http/predict-request.ts';
import { openClassifier } from '../io/classifier.ts';
import { UserError } from '../io/errors.ts';

/** A request, and what has to be answered: its labels in this order, with these scores but for the last digits. */
export interface SmokeTest {
  readonly contentType: string;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly expected: Answer;
  /** Of the artifact's tensors. */
  readonly digest: string;
}

/** A request for the artifact, and what this machine answers to it. */
export async function smokeTestOf(artifactPath: string): Promise<SmokeTest> {
  const classifier = await openClassifier(artifactPath);
  const isText = classifier.info.task === 'text-classification';
  const body = isText ? new TextEncoder().encode('A lovely, quiet film.') : await gradientPng();
  const expected = await classifier.classify(classifier.input.ofBytes(body), defaultTopK(classifier.info));
  return { contentType: isText ? 'text/plain' : 'image/png', body, expected, digest: classifier.info.digest };
}

/** Colours that change across the picture, so that a wrong resize or channel order shows. */
async function gradientPng(side = 64): Promise<Uint8Array<ArrayBuffer>> {
  const { default: sharp } = await import('sharp');
  const pixels = Buffer.from(
    Array.from({ length: side * side }, (_, i) => [4 * (i % side), 4 * Math.floor(i / side), (i * 7) % 256]).flat(),
  );
  return new Uint8Array(
    await sharp(pixels, { raw: { width: side, height: side, channels: 3 } })
      .png()
      .toBuffer(),
  );
}

/** Hosts compute the same bits but for e^x, whose last digits are the host's. */
const SCORE_TOLERANCE = 1e-6;

/** Compares what was answered with what should have been. @throws UserError */
export function checkSmoke({ expected }: SmokeTest, status: number, body: string): void {
  if (status !== 200) throw new UserError(`it answered ${status}: ${body.slice(0, 300)}`);
  const { predictions } = parse(body);
  const same =
    predictions?.length === expected.predictions.length &&
    expected.predictions.every(
      ({ label, score }, i) =>
        predictions[i].label === label && Math.abs(predictions[i].score - score) <= SCORE_TOLERANCE,
    );
  if (!same)
    throw new UserError(
      `it answered ${JSON.stringify(predictions)}, where this machine answers ${JSON.stringify(expected.predictions)}`,
    );
}

function parse(body: string): Partial<Answer> {
  try {
    return JSON.parse(body) as Partial<Answer>;
  } catch {
    throw new UserError(`it answered no JSON: ${body.slice(0, 300)}`);
  }
}
