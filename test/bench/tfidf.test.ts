/** TF-IDF and logistic regression against scikit-learn's, on texts of fixtures/make_tfidf.py. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fitLogistic, type Logistic, linearScore } from '../../cli/bench/compare/logistic.ts';
import { type Features, learnFeatures, letterTerms, vectorizer, wordTerms } from '../../cli/bench/compare/tfidf.ts';
import { argmax } from '../../cli/train/scorer.ts';

interface Case {
  readonly train: readonly (readonly [text: string, label: number])[];
  readonly test: readonly (readonly [text: string, label: number])[];
  /** How many of the terms are words. */
  readonly words: number;
  readonly terms: readonly string[];
  readonly idf: readonly number[];
  /** Of the first texts of the test part. */
  readonly vectors: readonly (readonly (readonly [place: number, value: number])[])[];
  readonly coefficients: readonly (readonly number[])[];
  readonly intercepts: readonly number[];
  readonly decisions: readonly (number | readonly number[])[];
  readonly accuracy: number;
}

const fixture = JSON.parse(readFileSync(new URL('fixtures/tfidf.json', import.meta.url), 'utf8')) as {
  readonly c: number;
  readonly cases: readonly Case[];
};

const allTerms = ({ words, letters }: Features): string[] => [...words.terms, ...letters.terms];
const withWord = (given: Case): [string, number][] =>
  given.terms.map((term, place) => [`${place < given.words ? 'word' : 'letters'} ${term}`, place]);

it('cuts words and letters', () => {
  expect(wordTerms("It's a GOOD film_1, 7!")).toEqual(['it', 'good', 'film_1', 'it good', 'good film_1']);
  expect(letterTerms('ab 🎬')).toEqual([...[' a', 'ab', 'b ', ' ab', 'ab ', ' ab '], ...[' 🎬', '🎬 ', ' 🎬 ']]);
});

describe.each(fixture.cases.map((given) => [1 + Math.max(...given.train.map(([, label]) => label)), given] as const))(
  '%i classes',
  (classes, given) => {
    const features = learnFeatures(given.train.map(([text]) => text));
    const vectorOf = vectorizer(features);
    const terms = allTerms(features);
    // scikit-learn sorts by code points, JavaScript by their halves.
    const places = new Map(withWord(given));
    const theirs = terms.map(
      (term, place) => places.get(`${place < features.words.terms.length ? 'word' : 'letters'} ${term}`)!,
    );
    const vectors = given.train.map(([text]) => vectorOf(text));
    const labels = given.train.map(([, label]) => label);
    const model = fitLogistic(vectors, labels, terms.length, { c: fixture.c, tolerance: 1e-9, mostSteps: 10_000 });

    it('has the same terms, each with the same inverse frequency', () => {
      expect([...theirs].sort((a, b) => a - b)).toEqual(given.terms.map((_, place) => place));
      [...features.words.idf, ...features.letters.idf].forEach((idf, place) =>
        expect(idf).toBeCloseTo(given.idf[theirs[place]], 12),
      );
    });

    it('makes the same vectors', () => {
      given.vectors.forEach((expected, row) => {
        const { places: found, values } = vectorOf(given.test[row][0]);
        const ours = [...found].map((place, i) => [theirs[place], values[i]]).sort(([a], [b]) => a - b);
        expect(ours.map(([place]) => place)).toEqual(expected.map(([place]) => place));
        for (const [i, [, value]] of ours.entries()) expect(value).toBeCloseTo(expected[i][1], 12);
      });
    });

    it('finds the same weights', () => {
      expect(model.classes).toEqual(Array.from({ length: classes }, (_, k) => k));
      model.weights.forEach((row, k) => {
        row.forEach((weight, place) => expect(weight).toBeCloseTo(given.coefficients[k][theirs[place]], 5));
        // What is added to all intercepts changes no answer of several classes.
        expect(model.intercepts[k] - model.intercepts[0]).toBeCloseTo(given.intercepts[k] - given.intercepts[0], 5);
      });
      if (classes === 2) expect(model.intercepts[0]).toBeCloseTo(given.intercepts[0], 5);
    });

    it('gives the same answers', () => {
      const answers = given.test.map(([text]) => scoresOf(model, vectorOf(text)));
      answers.forEach((scores, row) => {
        const expected = [given.decisions[row]].flat();
        const ours = classes === 2 ? scores.slice(1) : scores;
        ours.forEach((score, k) =>
          expect(score - (classes === 2 ? 0 : ours[0])).toBeCloseTo(expected[k] - (classes === 2 ? 0 : expected[0]), 5),
        );
      });
      const right = answers.filter((scores, row) => argmax(scores) === given.test[row][1]).length;
      expect(right / answers.length).toBeCloseTo(given.accuracy, 12);
    });
  },
);

/** One for each class: of two classes that of the first is 0. */
function scoresOf({ classes, weights, intercepts }: Logistic, sample: Parameters<typeof linearScore>[0]): number[] {
  const scores = weights.map((row, k) => linearScore(sample, row, 0, intercepts[k]));
  return classes.length === 2 ? [0, ...scores] : scores;
}

it('gives the same weights each time, and stops where it is told to', () => {
  const samples = [0, 1, 2].map((value) => ({ places: Int32Array.of(0), values: Float64Array.of(value) }));
  const fitted = (): number[] => [...fitLogistic(samples, [0, 1, 1], 1).weights[0]];
  expect(fitted()).toEqual(fitted());
  expect(() =>
    fitLogistic(samples, [0, 1, 1], 1, {
      onStep: () => {
        throw new Error('stopped');
      },
    }),
  ).toThrow('stopped');
});
