/** What a student is compared with: the teacher's block outputs and logits, computed in the step or given to it. */
import { input } from '../graph/ops/leaf.ts';
import { reshape } from '../graph/ops/reshape.ts';
import type { Forward } from '../models/model.ts';

/** The input that a batch's logits come in, (B, K). */
export const TEACHER_LOGITS = 'teacher.logits';

/** The input that block i's outputs come in, (B, T, D). */
export function teacherBlock(i: number): string {
  return `teacher.block.${i}`;
}

/** The names of all inputs of a teacher of so many blocks. */
export function teacherInputs(blocks: number): readonly string[] {
  return [TEACHER_LOGITS, ...Array.from({ length: blocks }, (_, i) => teacherBlock(i))];
}

/** A teacher whose outputs are inputs: of the same shapes as those of `computed`, a batch of B. */
export function givenTeacher({ logits, blocks }: Forward, batch: number): Forward {
  return {
    logits: input(TEACHER_LOGITS, logits.shape),
    blocks: blocks.map(({ shape: [rows, width] }, i) =>
      reshape(input(teacherBlock(i), [batch, rows / batch, width]), [rows, width]),
    ),
  };
}
