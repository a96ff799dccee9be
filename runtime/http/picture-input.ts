import { madeBy, text } from '../artifact/schema.ts';
import type { InputReader } from './classifier.ts';
import { ofRequest } from './predict-request.ts';
import { Problem } from './problem.ts';

const decodeBase64 = madeBy(atob, 'base64 or a data URL');
const readBase64 = ofRequest((where, json) => {
  const binary = decodeBase64(where, text(where, json).replace(/^data:[^,]*;base64,/, ''));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
});

/** An encoded picture: the body, or base64 in JSON's field `image`. */
export const pictureInput: InputReader<Uint8Array> = {
  takes: /^image\/|^application\/octet-stream$/,
  types: 'image/* or application/json {"image": base64}',
  read(given) {
    const image = given instanceof Uint8Array ? given : readBase64('image', given.image);
    if (image.length === 0) throw new Problem(400, 'the picture is empty');
    return image;
  },
};
