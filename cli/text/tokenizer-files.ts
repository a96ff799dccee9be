/** The tokenizer of a text model's folder. */
import { join } from 'node:path';
import { UserError } from '../io/errors.ts';
import { exists, readJson } from '../io/files.ts';

/** What tokenizer.json of a folder holds. UserError when there is none. */
export async function loadTokenizerJson(folder: string): Promise<unknown> {
  const path = join(folder, 'tokenizer.json');
  if (!(await exists(path))) throw new UserError(`${folder} has no tokenizer.json`, 'A text model needs the tokenizer that it was trained with, in the same folder.');
  return readJson(path);
}
