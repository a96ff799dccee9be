import { ATTENTION_CASES } from './attention.cases.ts';
import { ELEMENTWISE_CASES } from './elementwise.cases.ts';
import { EMBEDDING_CASES } from './embedding.cases.ts';
import type { KernelCase } from './harness.ts';
import { INT4_CASES } from './int4.cases.ts';
import { LAYER_NORM_CASES } from './layer-norm.cases.ts';
import { LINEAR_CASES } from './linear.cases.ts';
import { LINEAR_INT8_CASES, LOW_RANK_INT8_CASES } from './linear-int8.cases.ts';
import { NOT_FINITE_CASES } from './not-finite.cases.ts';
import { QUANTIZE_CASES } from './quantize.cases.ts';

export const ALL_CASES: readonly KernelCase[] = [
  ...QUANTIZE_CASES,
  ...LINEAR_CASES,
  ...LINEAR_INT8_CASES,
  ...LOW_RANK_INT8_CASES,
  ...INT4_CASES,
  ...EMBEDDING_CASES,
  ...LAYER_NORM_CASES,
  ...ATTENTION_CASES,
  ...ELEMENTWISE_CASES,
  ...NOT_FINITE_CASES,
];
