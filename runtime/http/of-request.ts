import { failing, type Read } from '../artifact/schema.ts';
import { Problem } from './problem.ts';

/** A reader whose mismatches are the client's: Problem 400. */
export const ofRequest = <T>(read: Read<T>): Read<T> => failing((message) => new Problem(400, message), read);
