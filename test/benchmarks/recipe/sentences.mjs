/**
 * Cuts reviews into sentences, for `slim train --unlabelled` where texts are short:
 *
 *   node test/benchmarks/recipe/sentences.mjs REVIEWS.jsonl SENTENCES.jsonl COUNT
 *
 * Every so manieth of those with 4 to 40 words, so that COUNT come from all of the file, once each.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const [reviews, path, count] = process.argv.slice(2);
if (count === undefined) throw new Error('usage: sentences.mjs REVIEWS.jsonl SENTENCES.jsonl COUNT');

const sentences = readFileSync(reviews, 'utf8')
  .split('\n')
  .filter(Boolean)
  .flatMap((line) =>
    JSON.parse(line)
      .text.replace(/<[^>]*>/g, ' ')
      .split(/(?<=[.!?])\s+/),
  )
  .map((sentence) => sentence.trim())
  .filter((sentence) => {
    const words = sentence.split(/\s+/).length;
    return words >= 4 && words <= 40;
  });
const unique = [...new Set(sentences)];
const step = Math.max(1, unique.length / Number(count));
const taken = Array.from({ length: Math.min(unique.length, Number(count)) }, (_, i) => unique[Math.floor(i * step)]);
writeFileSync(path, taken.map((text) => `${JSON.stringify({ text })}\n`).join(''));
console.log(`${taken.length} of ${unique.length} sentences in ${path}`);
