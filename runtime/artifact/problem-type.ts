/**
 * What a model's logits mean, in Hugging Face's words for it, the `problem_type` of a config.json: one of the labels;
 * any number of them; a number for each label.
 *
 * `scores` is what makes scores of logits, as Hugging Face's API names it. `metric` is what the model is judged by in one
 * number: how often the likeliest label is right; the F1 of all decisions for or against a label together; Pearson's
 * correlation, of several numbers their mean.
 */
export const PROBLEMS = {
  single_label_classification: { scores: 'softmax', metric: 'accuracy' },
  multi_label_classification: { scores: 'sigmoid', metric: 'microF1' },
  regression: { scores: 'none', metric: 'pearson' },
} as const;

/** One of the names in `PROBLEMS`. */
export type ProblemType = keyof typeof PROBLEMS;

/** All of them. */
export const PROBLEM_TYPES = Object.keys(PROBLEMS) as readonly ProblemType[];

/** What makes scores of logits. */
export type ScoreFunction = (typeof PROBLEMS)[ProblemType]['scores'];

/** The name of a metric that models are judged by, under which a score lies. */
export type Metric = (typeof PROBLEMS)[ProblemType]['metric'];

/**
 * A metric's value, under the metric's name, and of how many samples it is: `{accuracy: 0.93, samples: 872}`. Null is a
 * correlation with what does not vary, which has none.
 */
export interface Score extends Readonly<Partial<Record<Metric, number | null>>> {
  readonly samples: number;
}

/**
 * What a score is of, and its value; of how many samples is not asked.
 * @throws Error where it holds none, which is a mistake of the caller's
 */
export function scoreOf(score: Partial<Score>): { readonly metric: Metric; readonly value: number | null } {
  for (const { metric } of Object.values(PROBLEMS)) {
    const value = score[metric];
    if (value !== undefined) return { metric, value };
  }
  throw new Error('a score without a metric');
}

/**
 * What a head answers whose config does not say, as transformers' pipelines have it: a sigmoid of a single output, or one
 * of several labels. (A single number that was trained by transformers says so in its config.)
 */
export function assumedProblemType(labels: number): ProblemType {
  return labels === 1 ? 'multi_label_classification' : 'single_label_classification';
}
