import { failing, type Read } from '../artifact/schema.ts';
import { Problem } from './problem.ts';

/** A reader whose mismatches are the client's: Problem 400. */
export const ofRequest = <T>(read: Read<T>): Read<T> => failing((message) => new Problem(400, message), read);

/** The text of these bytes. Throws Problem 400 where they are no UTF-8; `where` is what it calls them. */
export function decodeUtf8(where: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Problem(400, `${where}: expected UTF-8`);
  }
}
