/** What a model is asked for, as the command line calls it: `--task`. */
import type { ProblemType } from '../../runtime/artifact/problem-type.ts';

/** What --task takes, and Hugging Face's word for it. */
export const TASKS = {
  'single-label': 'single_label_classification',
  'multi-label': 'multi_label_classification',
  regression: 'regression',
} as const satisfies Record<string, ProblemType>;

/** A value of --task. */
export type Task = keyof typeof TASKS;

/** The value of --task that a problem type is. */
export function taskOf(problemType: ProblemType): Task {
  return (Object.keys(TASKS) as Task[]).find((task) => TASKS[task] === problemType)!;
}
