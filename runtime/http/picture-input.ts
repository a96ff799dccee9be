import { madeBy, text } from '../artifact/schema.ts';
import type { InputReader } from './classifier.ts';
import { ofRequest } from './of-request.ts';
import { Problem } from './problem.ts';

const decodeBase64 = madeBy(atob, 'base64 or a data URL');
const readBase64 = ofRequest((where, json) => {
  const binary = decodeBase64(where, text(where, json).replace(/^data:[^,]*;base64,/, ''));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
});

/** An encoded picture: bytes, or base64 in JSON. */
export const pictureInput: InputReader<Uint8Array> = {
  // curl says that it sends a form where it is told nothing else of a file.
  takes: /^image\/|^application\/(octet-stream|x-www-form-urlencoded)$/,
  types: 'image/*, multipart/form-data or application/json {"inputs": base64}',
  ofBytes: someBytes,
  ofJson: (where, json) => someBytes(readBase64(where, json)),
};

function someBytes(picture: Uint8Array): Uint8Array {
  if (picture.length === 0) throw new Problem(400, 'the picture is empty');
  return picture;
}
